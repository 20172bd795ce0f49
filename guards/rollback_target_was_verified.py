from roadworthy.model import Facts, Plan


def rollback_target_was_verified(plan: Plan, facts: Facts) -> str | None:
    """A rollback target was verified healthy here and was not found incomplete.

    In production it was also released: `package_is_released` lets nothing else be deployed.
    """
    back, choose = facts.back.value, f"choose one with invoke history --env {facts.name}"
    if back is None:
        return f"{plan.request.to or 'the last verified package'!r} is not a rollback target: {choose}"
    digest, history = back.deployed.package.digest, facts.history.value
    if digest not in {d.package.digest for d in history.deployed}:
        return f"{digest[:12]} was never verified in {facts.name}: {choose}"
    # What should be running may be put back: a failed deploy, or a change by hand, is undone, and nothing decided.
    should_run = history.running is not None and history.running.package.digest == digest
    if digest in history.incomplete and not should_run:
        return f"the completion of {digest[:12]} was NO (journal #{history.incomplete[digest]}): {choose}"
    if plan.package is None or plan.package.digest != digest:
        return f"the plan does not release {digest[:12]}, which was verified: run the command again"
    return None
