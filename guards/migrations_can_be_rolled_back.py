from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def migrations_can_be_rolled_back(plan: Plan, facts: Facts) -> str | None:
    """A rollback crosses only migrations that the older code can run with: those declared expand.

    A deploy counts as a rollback when the database is ahead of all the package's migrations.
    """
    if plan.request.action == "deploy":
        since = facts.migrations.value.later
        if not since:
            raise NotApplicable("the database is not ahead of the package's migrations")
    else:
        back = facts.back.value
        if back is None:
            return f"there is no package to roll back to: choose one with invoke history --env {facts.name}"
        then, now = back.deployed.revision, facts.revision.value
        code = back.deployed.package.commit[:12]
        if now is None and then is None:
            return None
        if now is None:
            return f"{code} ran on {then}, and the current revision is unknown: invoke verify"
        since = facts.migrations.value.between(then, now)
        if since and then is None:
            return (
                f"the journal has no revision for {code}, and the database is at {now}: compare the schemas by "
                "hand, or deploy a fix"
            )
    in_the_way = [f"{m.revision} ({m.safe_under or 'undeclared'})" for m in since if m.safe_under != "expand"]
    if in_the_way:
        return (
            f"older code cannot run since migration {', '.join(in_the_way)}: restore an earlier backup by "
            "hand, or deploy a fix"
        )
    return None
