from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def migrations_can_be_rolled_back(plan: Plan, facts: Facts) -> str | None:
    """Code goes back only over migrations that the older code can live with: those declared expand.

    A deploy goes back when what is applied is later than all that its package has.
    """
    if plan.request.action == "deploy":
        since = facts.migrations.value.later
        if not since:
            raise NotApplicable("no later migration than the package's own is applied")
    else:
        back = facts.back.value
        if back is None:
            return f"there is nothing to go back to: choose one with invoke history --env {facts.name}"
        then, now = back.deployed.revision, facts.revision.value
        code = back.deployed.package.commit[:12]
        if now is None and then is None:
            return None
        if now is None:
            return f"{code} ran on {then}, what is applied now is not known: invoke verify"
        since = facts.migrations.value.between(then, now)
        if since and then is None:
            return (
                f"at which revision {code} was verified is not recorded, and {now} is applied: a person must "
                "compare the schemas, or go forward with a fix"
            )
    in_the_way = [f"{m.revision} ({m.safe_under or 'undeclared'})" for m in since if m.safe_under != "expand"]
    if in_the_way:
        return (
            f"older code cannot run since migration {', '.join(in_the_way)}: a person must restore a backup "
            "of before it, or go forward with a fix"
        )
    return None
