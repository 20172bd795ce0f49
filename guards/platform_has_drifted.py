from roadworthy.model import Facts, Plan


def platform_has_drifted(plan: Plan, facts: Facts) -> str | None:
    """There is a release or a schema to adopt, and people can reach the app, so that it can be checked."""
    drifts = facts.drift.value
    if any(d.what == "maintenance" for d in drifts):
        return f"{plan.app} is in maintenance mode, so nothing can be checked: turn it off first"
    history = facts.history.value
    schema = history.running is not None and facts.revision.value != history.revision
    if not drifts and not schema:
        return f"nothing to adopt: {plan.app} is as the journal says"
    return None
