from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def production_is_unlocked(plan: Plan, facts: Facts) -> str | None:
    """A command changes production only if ALLOW_PROD=1 is given with it; no file may set it.

    A key in a file would open production to every later command, so it refuses every command.
    """
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    keys = plan.request.keys
    if keys.misplaced:
        where = " and ".join(keys.misplaced)
        return f"a production key is set in {where}: delete it there, then give ALLOW_PROD=1 with the command"
    if keys.allow_prod != "1":
        found = "is set, but not to 1" if keys.allow_prod else "is not set"
        return f"production is locked: ALLOW_PROD {found}; to unlock it, run the command with ALLOW_PROD=1"
    return None
