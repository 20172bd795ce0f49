from roadworthy.model import Facts, Plan


def platform_has_drifted(plan: Plan, facts: Facts) -> str | None:
    """There is a release or schema change to adopt, and the app is reachable, so it can be checked."""
    drifts = facts.drift.value
    if any(d.what == "maintenance" for d in drifts):
        return f"{plan.app} is in maintenance mode and cannot be checked: turn it off first"
    history = facts.history.value
    schema = history.running is not None and facts.revision.value != history.revision
    if not drifts and not schema:
        return f"nothing to adopt: {plan.app} matches the journal"
    return None
