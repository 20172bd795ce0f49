from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def rollback_is_possible(plan: Plan, facts: Facts) -> str | None:
    """Before a package is replaced, a verified one is available to roll back to."""
    if facts.history.value.running is None:
        raise NotApplicable(f"this is the first deploy of {facts.name}: there is nothing to roll back to")
    back = facts.back.value
    if back is None:
        return f"{facts.name} has no verified package to roll back to: see invoke history"
    if not back.available:
        why = back.why_not or "it is gone"
        return f"cannot roll back to {back.deployed.package.commit[:12]}: {why}; build it again: invoke build"
    return None
