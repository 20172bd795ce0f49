from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def database_is_as_recorded(plan: Plan, facts: Facts) -> str | None:
    """Nothing is deployed while the schema has a change made outside roadworthy."""
    history = facts.history.value
    if history.running is None:
        raise NotApplicable("no release was verified here yet, so the journal does not know the database")
    if facts.migrations.known and facts.migrations.known.none:
        raise NotApplicable("the project has no migrations")
    if facts.revision.missing:
        return (
            f"the database revision is unknown: {facts.revision.missing}; repair it, or roll back first with "
            f"invoke rollback --env {facts.name}"
        )
    seen, said = facts.revision.value, history.revision
    if seen == said:
        return None
    return (
        f"the database is at {seen or 'no revision'}, the journal says {said or 'no revision'}: bring it to the "
        f"head with invoke migrate --env {facts.name}, or accept it with invoke adopt --env {facts.name} --why …"
    )
