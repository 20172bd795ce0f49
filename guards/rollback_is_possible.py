from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def rollback_is_possible(plan: Plan, facts: Facts) -> str | None:
    """Before a package is replaced, there is a verified one to go back to, and it can still be had."""
    if facts.history.value.running is None:
        raise NotApplicable(f"this is the first deploy of {facts.name}: there is nothing to go back to")
    back = facts.back.value
    if back is None:
        return f"no verified package of {facts.name} is known to go back to: look with invoke history"
    if not back.available:
        why = back.why_not or "it is gone"
        return f"no way back to {back.deployed.package.commit[:12]}: {why}; build it again: invoke build"
    return None
