from roadworthy.model import Facts, Plan


def certifies_no_production(plan: Plan, facts: Facts) -> str | None:
    """Packages are certified before production, so certify never runs there."""
    if facts.environment.production:
        return f"{plan.app} is production: certify in an environment before it, for example --env staging"
    return None
