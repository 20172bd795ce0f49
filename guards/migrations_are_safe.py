from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan

SAFE_UNDER = ("expand", "contract", "irreversible")


def migrations_are_safe(plan: Plan, facts: Facts) -> str | None:
    """Each pending migration declares whether it is safe, and no code runs with a schema it cannot use.

    After a deploy, the package runs with the old schema until `migrate`; only `code_first = True` promises that
    this works. In maintenance mode nobody uses the app in between, so a declaration is enough.
    """
    migrations = facts.migrations.value
    if migrations.none:
        raise NotApplicable("the project has no migrations")
    if len(migrations.heads()) != 1:
        return "the pending migrations are unknown without exactly one head: fix one_head first"
    pending = migrations.pending(facts.revision.value)
    undeclared = [
        m.file for m in pending if m.safe_under not in SAFE_UNDER or not isinstance(m.code_first, bool)
    ]
    if undeclared:
        names = ", ".join(undeclared[:3])
        return (
            f"not declared: {names}; write safe_under ({', '.join(SAFE_UNDER)}) and code_first (True, False)"
        )
    if plan.request.action != "deploy" or plan.request.maintenance:
        return None
    first = [m.revision for m in pending if not m.code_first]
    if first:
        return (
            f"the package cannot run before migration {', '.join(first[:3])}: run it again with --maintenance"
        )
    return None
