from roadworthy.model import Facts, Plan


def rollback_target_was_verified(plan: Plan, facts: Facts) -> str | None:
    """A rollback goes to a package that was released and verified healthy in this very environment."""
    back, choose = facts.back.value, f"choose one with invoke history --env {facts.name}"
    if back is None:
        return f"{plan.request.to or 'the last verified package'!r} is nothing to go back to: {choose}"
    digest = back.deployed.package.digest
    if digest not in {d.package.digest for d in facts.history.value.deployed}:
        return f"{digest[:12]} was never verified in {facts.name}: {choose}"
    if plan.package is None or plan.package.digest != digest:
        return f"the plan does not release {digest[:12]}, which was verified: plan again"
    return None
