from roadworthy.model import Facts, Plan


def certifies_no_production(plan: Plan, facts: Facts) -> str | None:
    """A certificate is earned before production, so certify never runs there."""
    if facts.environment.production:
        return f"{plan.app} is production: certify where packages are tried first, for example --env staging"
    return None
