import re

from roadworthy.model import Facts, Plan

NEVER = re.compile(r"alembic|upgrade", re.IGNORECASE)  # not even in a text: the playbook's own rule
MIGRATES = re.compile(r"migrat|flyway|liquibase|goose|dbmate|schema:(load|sync)|db push", re.IGNORECASE)
ONLY_PRINTS = re.compile(r"\s*echo\s+(\"[^\"`$\\]*\"|'[^']*'|[\w .,:!-]*)\s*")


def release_phase_is_disabled(plan: Plan, facts: Facts) -> str | None:
    """The platform's release phase changes no schema; migrations are a step of their own."""
    for line in facts.procfile.value.splitlines():
        process, colon, command = line.partition(":")
        if not colon or process.strip().lower() != "release":
            continue
        found = NEVER.search(command)
        if not found and not ONLY_PRINTS.fullmatch(command):
            found = MIGRATES.search(command)
        if found:
            return (
                f"the Procfile's release phase would change the schema ({found[0]!r}): take it out; "
                "schemas change only by invoke migrate"
            )
    return None
