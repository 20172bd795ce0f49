from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, MissingFact, Plan


def adopted_package_is_proven(plan: Plan, facts: Facts) -> str | None:
    """What is adopted was verified here before, or is ours and tested; for production, released, too.

    Where nothing was ever verified, what runs is only written down, and counts as no verified package.
    """
    history = facts.history.value
    if history.running is None:
        raise NotApplicable(f"nothing was ever verified in {facts.name}: what runs is only written down")
    commit = history.running.package.commit
    back = f"put back what was, with invoke rollback --env {facts.name} --to {commit}"
    try:
        package = facts.package.value
    except MissingFact as missing:
        return f"{missing}: {back}"
    if package.digest in {d.package.digest for d in history.deployed}:
        return None
    if facts.environment.production:
        standing = facts.eligible.value.standing
        if lacks := standing.lacks("deploy"):
            return f"{package.commit[:12]} was put into production by hand, and {lacks}; or {back}"
        if standing.digest != package.digest:
            return f"{standing.digest[:12]} was released, not {package.digest[:12]}: {back}"
    ci = facts.ci.value
    if ci.outcome != "success":
        return f"{ci.source} says {ci.outcome!r}: invoke test --commit {package.commit}, or {back}"
    return None
