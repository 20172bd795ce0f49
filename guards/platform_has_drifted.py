from roadworthy.model import Facts, Plan


def platform_has_drifted(plan: Plan, facts: Facts) -> str | None:
    """There is a release to adopt, and people can reach it, so that it can be checked."""
    drifts = facts.drift.value
    if any(d.what == "maintenance" for d in drifts):
        return f"{plan.app} is in maintenance mode, so nothing can be checked: turn it off first"
    if not drifts:
        return f"nothing to adopt: {plan.app} is as the journal says"
    return None
