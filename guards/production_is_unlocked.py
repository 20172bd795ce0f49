from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def production_is_unlocked(plan: Plan, facts: Facts) -> str | None:
    """Production opens only to a command that itself says ALLOW_PROD=1; no file may say it.

    A key in a file would open production to every later command, so finding one refuses even a command that
    says it too.
    """
    if not facts.environment.production:
        raise NotApplicable(f"{facts.name} is not production")
    keys = plan.request.keys
    if keys.misplaced:
        where = " and ".join(keys.misplaced)
        return (
            f"a key of production stands in {where}: delete it there, then say ALLOW_PROD=1 with the command"
        )
    if keys.allow_prod != "1":
        found = "is set, but not to 1" if keys.allow_prod else "is not set"
        return f"production is locked: ALLOW_PROD {found}; if you mean it, run the command with ALLOW_PROD=1"
    return None
