from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, MissingFact, Plan


def adopted_package_is_proven(plan: Plan, facts: Facts) -> str | None:
    """An adopted package was verified here before, or is ours and tested; in production it was also released.

    Before the first verified release, what runs is only recorded and does not count as verified.
    """
    history = facts.history.value
    if history.running is None:
        raise NotApplicable(f"{facts.name} has no verified release yet: what runs is only recorded")
    commit = history.running.package.commit
    back = f"restore the previous package with invoke rollback --env {facts.name} --to {commit}"
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
