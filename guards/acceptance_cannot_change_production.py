from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def acceptance_cannot_change_production(plan: Plan, facts: Facts) -> str | None:
    """What acceptance is given is no credential of production, and opens no production app."""
    given = facts.credentials.value
    if not given:
        raise NotApplicable("acceptance is given no credential")
    for credential in given:
        if credential.same_as:
            return f"{credential.name} is {credential.same_as[0]}: give acceptance a credential of its own"
        if credential.opens:
            return f"{credential.name} opens {credential.opens[0]}: take its access to production away"
    return None
