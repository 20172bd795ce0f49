from roadworthy.guard import NotApplicable
from roadworthy.model import Facts, Plan


def one_head(plan: Plan, facts: Facts) -> str | None:
    """The package's migrations end in exactly one head, so "upgrade to the head" means one thing."""
    if facts.migrations.value.none:
        raise NotApplicable("the project has no migrations")
    heads = facts.migrations.value.heads()
    if not heads:
        return "the package has no migration: correct package.migrations in release.toml, then build again"
    if len(heads) > 1:
        names = ", ".join(heads)
        return (
            f"the package has {len(heads)} heads ({names}): alembic merge heads, then build and deploy again"
        )
    return None
