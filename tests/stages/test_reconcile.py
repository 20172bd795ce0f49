"""What reconcile makes of a start that somebody left open: its plan, and whether it came to nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.model import Confirmation, Plan, Request
from roadworthy.stages import reconcile as module

COMMIT, DIGEST = "c" * 40, "d" * 64
DETAILS: dict[str, Any] = {
    "app": "capecraft",
    "change": {"id": "WO-17", "why": "because"},
    "from": {"release": 3, "newest": 4, "commit": "b" * 40, "digest": "e" * 64},
    "to": {"commit": COMMIT, "digest": DIGEST, "size": 7},
    "pending": ["0002", "0003"],
    "approval": "REF",
    "maintenance": True,
}


def plan_of(action: str = "deploy", digest: str = DIGEST, **details: Any) -> Plan:
    said = {**DETAILS, **details}
    record = SimpleNamespace(action=action, details=said, subject=f"slug:{COMMIT}", digest=digest)
    return module._plan_of(SimpleNamespace(), "prod", SimpleNamespace(record=record))  # type: ignore[arg-type]


def test_the_plan_is_the_one_that_the_start_recorded():
    found = plan_of()
    assert found.request == Request(
        action="deploy",
        environment="prod",
        commit=COMMIT,
        change="WO-17",
        why="because",
        approval="REF",
        maintenance=True,
    )
    assert (found.app, found.steps, found.pending) == ("capecraft", (), ("0002", "0003"))
    assert (found.before, found.after) == (DETAILS["from"], DETAILS["to"])
    assert found.package is not None
    assert (found.package.name, found.package.digest, found.package.size) == (f"slug:{COMMIT}", DIGEST, 7)


def test_what_the_start_did_not_record_is_not_made_up():
    found = plan_of(maintenance=False, approval="")
    assert (found.request.maintenance, found.request.approval) == (False, "")
    without = {k: v for k, v in DETAILS.items() if k not in ("maintenance", "approval", "pending")}
    record = SimpleNamespace(action="complete", details=without, subject="none", digest="")
    found = module._plan_of(SimpleNamespace(), "prod", SimpleNamespace(record=record))  # type: ignore[arg-type]
    assert (found.request.maintenance, found.request.approval, found.pending) == (False, "", ())
    assert found.package is None


@pytest.mark.parametrize("action", ["deploy", "rollback", "config"])
def test_a_release_that_is_not_there_changed_nothing(action: str):
    nothing = Confirmation((module.NOTHING,))
    assert module._nothing_changed(plan_of(action), nothing) == nothing.problems
    cut_off = Confirmation(("v5 of capecraft failed, says the platform",))
    assert module._nothing_changed(plan_of(action), cut_off) != cut_off.problems


@pytest.mark.parametrize(
    ("was", "now", "nothing"), [("0001", "0001", True), ("0001", "0002", False), (None, None, True)]
)
def test_a_migration_changed_nothing_when_the_database_is_where_it_was(was: Any, now: Any, nothing: bool):
    seen = Confirmation(("migrate again",), {"revision": now})
    plan = plan_of("migrate", **{"from": {"revision": was}})
    assert (module._nothing_changed(plan, seen) == seen.problems) is nothing


@pytest.mark.parametrize("action", ["complete", "adopt"])
def test_a_no_and_a_drift_are_never_nothing(action: str):
    seen = Confirmation(("health: 500",))
    assert module._nothing_changed(plan_of(action, **{"from": {"deployment": 4}}), seen) != seen.problems


@pytest.mark.parametrize(
    ("asked", "closed", "says"),
    [(True, True, "is in maintenance mode"), (True, False, module.NOTHING), (False, True, module.NOTHING)],
)
def test_maintenance_that_the_start_was_to_begin_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch, asked: bool, closed: bool, says: str
):
    """A deploy under maintenance that released nothing may have closed the app: that is no "nothing"."""
    monkeypatch.setattr(module, "observe", lambda *_: SimpleNamespace(maintenance=closed))
    plan = plan_of(maintenance=asked)
    seen = module._never_released(SimpleNamespace(), plan)  # type: ignore[arg-type]
    assert says in seen.problems[0]
    assert (module._nothing_changed(plan, seen) == seen.problems) is (says == module.NOTHING)
