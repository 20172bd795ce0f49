from roadworthy.model import Facts, Plan


def rollback_target_is_available(plan: Plan, facts: Facts) -> str | None:
    """The package to go back to can still be had, seen before anything changes."""
    back, choose = facts.back.value, f"choose another with invoke history --env {facts.name}"
    if back is None:
        return f"there is nothing to go back to: {choose}"
    if not back.available:
        return f"{back.deployed.package.commit[:12]} cannot be had: {back.why_not or 'it is gone'}; {choose}"
    return None
