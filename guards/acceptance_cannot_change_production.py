from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def acceptance_cannot_change_production(plan: Plan, facts: Facts) -> str | None:
    """The credentials of acceptance are none of production's, and open no production app."""
    given = facts.credentials.value
    if not given:
        raise NotApplicable("acceptance gets no credentials")
    for credential in given:
        if credential.same_as:
            return f"{credential.name} is {credential.same_as[0]}: give acceptance a credential of its own"
        if credential.opens:
            return f"{credential.name} opens {credential.opens[0]}: take its access to production away"
    return None
