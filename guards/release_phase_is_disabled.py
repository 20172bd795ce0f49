import re

from roadworthy.model import Facts, Plan

MIGRATES = re.compile(
    r"alembic|upgrade|(flyway|liquibase|goose|dbmate)\b|\bdb[:\s]+migrate|\bmigrate[:\s]+(up|head|deploy|latest)"
    r"|\b(manage\.py|artisan|prisma|sequelize|knex|rake|rails|npm run|make)\s+[\w:-]*migrate",
    re.IGNORECASE,
)


def release_phase_is_disabled(plan: Plan, facts: Facts) -> str | None:
    """The platform's release phase changes no schema; migrations are a step of their own."""
    for line in facts.procfile.value.splitlines():
        process, colon, command = line.partition(":")
        if colon and process.strip().lower() == "release" and (found := MIGRATES.search(command)):
            return (
                f"the Procfile's release phase would migrate ({found[0]!r}): take it out; "
                "schemas change only by invoke migrate"
            )
    return None
