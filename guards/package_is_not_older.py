from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def package_is_not_older(plan: Plan, facts: Facts) -> str | None:
    """A late run never replaces a newer commit in production; to go back, use `invoke rollback`."""
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    if plan.request.replay:
        raise NotApplicable("a replay deploys an earlier package on purpose")
    running = facts.history.value.running
    if running is None:
        raise NotApplicable(f"this is the first deploy of {facts.name}")
    if not facts.older.value:
        return None
    newer, package = running.package.commit[:12], plan.package
    older = package.commit if package else ""
    return (
        f"{older[:12]} is an ancestor of {newer}, which runs: to go back, invoke rollback --env {facts.name}, "
        f"or invoke replay --env {facts.name} --sha {older}"
    )
