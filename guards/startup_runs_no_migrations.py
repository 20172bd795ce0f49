from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan

VARIABLE = "RUN_DB_MIGRATIONS_ON_STARTUP"


def startup_runs_no_migrations(plan: Plan, facts: Facts) -> str | None:
    """No config var makes the app migrate at startup; migrations are a separate step."""
    if VARIABLE not in plan.request.config:
        raise NotApplicable(f"{VARIABLE} is not changed")
    # Without it each part of the app has a default of its own, so taking it away is no way to say no.
    if plan.request.config[VARIABLE] != "0":
        return f"{VARIABLE} would not be 0: set it to 0; schemas change only by invoke migrate"
    return None
