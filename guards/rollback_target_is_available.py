from roadworthy.model import Facts, Plan


def rollback_target_is_available(plan: Plan, facts: Facts) -> str | None:
    """The package to roll back to is available, checked before anything changes."""
    back, choose = facts.back.value, f"choose another with invoke history --env {facts.name}"
    if back is None:
        return f"there is no package to roll back to: {choose}"
    if not back.available:
        return (
            f"{back.deployed.package.commit[:12]} is not available: {back.why_not or 'it is gone'}; {choose}"
        )
    return None
