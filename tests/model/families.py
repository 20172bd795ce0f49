"""The parts of the world that are tried, and the mutants of the rules that must fail in them."""

from __future__ import annotations

from typing import Final, NamedTuple

from .world import Command, Family, Rules

RECONCILE, MIGRATE, COMPLETE = Command("reconcile"), Command("migrate"), Command("complete")
DEPLOY_A, DEPLOY_B, DEPLOY_C = (Command("deploy", name) for name in "ABC")
BACK_TO_A = Command("rollback", "A")

FAMILIES: Final = {
    "release": Family((DEPLOY_B, DEPLOY_C, RECONCILE, BACK_TO_A), crashes=2, copies=1),
    "unlock": Family((DEPLOY_B, DEPLOY_C, RECONCILE), unlocks=1),
    "components": Family((DEPLOY_B, RECONCILE, BACK_TO_A), apps=2, copies=1),
    "config": Family((Command("config", "x"), Command("config", "y"), RECONCILE, DEPLOY_A), copies=1),
    "image": Family((DEPLOY_B, RECONCILE, DEPLOY_C), image=True, crashes=2, copies=1),
    "migrate": Family((DEPLOY_B, MIGRATE, DEPLOY_C, RECONCILE)),
    "complete": Family((DEPLOY_B, MIGRATE, COMPLETE, RECONCILE)),
    "adopt": Family((DEPLOY_B, RECONCILE, Command("adopt")), copies=1),
    "false death": Family((DEPLOY_B, RECONCILE, DEPLOY_C), sessions=3, crashes=0, false_death=True),
    "contract": Family((DEPLOY_B, DEPLOY_C, MIGRATE, BACK_TO_A, RECONCILE), unlocks=1),
    "words": Family((DEPLOY_B, MIGRATE, COMPLETE, RECONCILE, Command("decide"), Command("ship"))),
}

EVERYTHING: Final = Family(
    (DEPLOY_B, DEPLOY_C, MIGRATE, BACK_TO_A, COMPLETE, RECONCILE, Command("adopt")),
    crashes=2,
    copies=1,
    unlocks=1,
)


class Mutant(NamedTuple):
    """One rule left out: in this family it must break this promise, by a shortest trace of that many steps."""

    rules: Rules
    family: Family
    promise: str
    steps: int


LATE, DENIED = "I2 a late effect", "I2 an outcome denies what there is"
NO_FENCE: Final = Rules(fence="none", drain=False)
MUTANTS: Final = {
    "no fence": Mutant(NO_FENCE, FAMILIES["release"], LATE, 9),
    "no fence, and an outcome that lies": Mutant(NO_FENCE, FAMILIES["release"], DENIED, 9),
    "no drain": Mutant(Rules(drain=False), FAMILIES["release"], LATE, 11),
    "reconcile leaves the fence open": Mutant(Rules(reconcile_closes=False), FAMILIES["release"], LATE, 10),
    "unlock leaves the fence open": Mutant(
        Rules(unlock_closes=False, admits=False), FAMILIES["unlock"], LATE, 6
    ),
    "an etag read just before sending": Mutant(
        Rules(fence="etag", etag_of_facts=False), FAMILIES["unlock"], LATE, 6
    ),
    "a stale list after the fence was closed": Mutant(
        Rules(), FAMILIES["release"]._replace(stale_lists=True), DENIED, 11
    ),
    "images without a fence": Mutant(NO_FENCE, FAMILIES["image"], "I4 credited to another start", 15),
    "a migration to the head": Mutant(
        NO_FENCE._replace(names_target=False),
        FAMILIES["migrate"],
        "I2 a migration that no start approved",
        25,
    ),
    "guards that trust the journal's revision": Mutant(
        Rules(asks_database=False),
        FAMILIES["contract"],
        "I5 complete says migrate, migrate says already",
        19,
    ),
    "decide as it was": Mutant(
        Rules(strict=False), FAMILIES["words"], "I3 decide said YES over another package", 12
    ),
    "ship as it was": Mutant(
        Rules(strict=False), FAMILIES["words"], "I3 ship said YES without its migration", 7
    ),
}
"""Each of these rules is needed. A mutant that stops failing means that the model sees less than it did."""
