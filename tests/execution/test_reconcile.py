"""What reconcile makes of a start that somebody left open: its plan, and whether it came to nothing."""

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.actions import named
from roadworthy.commands import reconcile as command
from roadworthy.errors import OutcomeUnknown
from roadworthy.execution import reconcile as module
from roadworthy.model import Absent, Confirmation, Found, Outcome, Plan, Request, Result

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
    record = SimpleNamespace(
        environment="prod", action=action, details=said, subject=f"slug:{COMMIT}", digest=digest
    )
    return module.recorded(SimpleNamespace(record=record))  # type: ignore[arg-type]


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
    record = SimpleNamespace(
        environment="prod", action="complete", details=without, subject="none", digest=""
    )
    found = module.recorded(SimpleNamespace(record=record))  # type: ignore[arg-type]
    assert (found.request.maintenance, found.request.approval, found.pending) == (False, "", ())
    assert found.package is None


@pytest.mark.parametrize("action", ["deploy", "rollback", "config"])
def test_a_release_that_is_not_there_changed_nothing(action: str):
    nothing = Confirmation((module.NOTHING,))
    assert module._nothing_changed(named(action), plan_of(action), nothing) == nothing.problems
    cut_off = Confirmation(("v5 of capecraft failed, says the platform",))
    assert module._nothing_changed(named(action), plan_of(action), cut_off) != cut_off.problems


@pytest.mark.parametrize(
    ("was", "now", "nothing"), [("0001", "0001", True), ("0001", "0002", False), (None, None, True)]
)
def test_a_migration_changed_nothing_when_the_database_is_where_it_was(was: Any, now: Any, nothing: bool):
    seen = Confirmation(("migrate again",), {"revision": now})
    plan = plan_of("migrate", **{"from": {"revision": was}})
    assert (module._nothing_changed(named("migrate"), plan, seen) == seen.problems) is nothing


def test_a_start_about_a_component_that_is_declared_no_more_is_left_open():
    parts = [{"name": name, "commit": COMMIT, "digest": DIGEST, "size": 1} for name in ("web", "worker")]
    plan = plan_of("rollback", to={**DETAILS["to"], "components": parts})
    start = SimpleNamespace(seq=7, record=SimpleNamespace(action="rollback"))
    context = SimpleNamespace(config=SimpleNamespace(apps=lambda environment: {"web": "capecraft"}))
    with pytest.raises(OutcomeUnknown, match="rollback #7 includes worker, which"):
        module._found(context, plan, start)  # type: ignore[arg-type]


@pytest.mark.parametrize("action", ["complete", "adopt"])
def test_a_no_and_a_drift_are_never_nothing(action: str):
    seen = Confirmation(("health: 500",))
    assert (
        module._nothing_changed(named(action), plan_of(action, **{"from": {"deployment": 4}}), seen)
        != seen.problems
    )


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
    assert (module._nothing_changed(named("deploy"), plan, seen) == seen.problems) is (says == module.NOTHING)


class Recording:
    """A platform that knows one release from the look `from_look` on, and counts the looks."""

    def __init__(self, from_look: int) -> None:
        self.from_look, self.looks = from_look, 0

    def find(self, _app: str, _claim: object) -> object:
        self.looks += 1
        there = self.looks >= self.from_look
        return Found(SimpleNamespace(order=5, name="v5")) if there else Absent()  # type: ignore[arg-type]


@pytest.mark.parametrize(("from_look", "looks"), [(1, 1), (3, 3), (99, module.LOOKS)])
def test_a_release_is_looked_for_until_it_is_there(
    monkeypatch: pytest.MonkeyPatch, from_look: int, looks: int
):
    monkeypatch.setattr(module, "claim", lambda *_: None)
    platform = Recording(from_look)
    config = SimpleNamespace(
        apps=lambda _: {},
        limits=SimpleNamespace(release=9.0),
        targets={"sandbox": SimpleNamespace(poll=0.001)},
    )
    context = SimpleNamespace(platform=platform, config=config, target="sandbox")
    start = SimpleNamespace(record=SimpleNamespace(action="deploy"))
    found = module._found(context, plan_of(), start)  # type: ignore[arg-type]
    assert (found[""] is not None, platform.looks) == (from_look <= module.LOOKS, looks)


def test_who_only_asks_for_the_revision_is_not_waited_for():
    dynos = [
        SimpleNamespace(name="web.1", type="web", command="serve"),
        SimpleNamespace(name="run.1", type="run", command="alembic current"),
        SimpleNamespace(name="run.2", type="run", command="alembic upgrade head"),
    ]
    context = SimpleNamespace(
        config=SimpleNamespace(commands=SimpleNamespace(revision="alembic current")),
        platform=SimpleNamespace(observe=lambda _: SimpleNamespace(processes=dynos)),
    )
    assert module._busy(context, "capecraft") == ["run.2"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pending", "revisions", "looks", "problems"),
    [
        (("0002",), ["0001", "0002"], 1, 0),  # the one-off's last word was on its way
        (("0002",), ["0001", "0001"], 1, 1),
        (("0002",), ["0002"], 0, 0),
        ((), ["0001"], 0, 0),  # nothing was to be run: there is nothing to wait for
    ],
)
def test_a_migration_is_waited_for_only_where_one_was_to_run(
    monkeypatch: pytest.MonkeyPatch, pending: tuple[str, ...], revisions: list[str], looks: int, problems: int
):
    waited: list[int] = []
    told = iter(revisions)
    monkeypatch.setattr(module, "_revision", lambda *_: next(told))
    monkeypatch.setattr(module, "missing", lambda plan, at: plan.pending and at != plan.pending[-1])
    monkeypatch.setattr(module, "_on_its_way", lambda *_: waited.append(1))
    found = module._migrated(SimpleNamespace(), named("migrate"), plan_of("migrate", pending=pending))  # type: ignore[arg-type]
    assert (len(waited), len(found.problems)) == (looks, problems)
    assert found.details["revision"] == revisions[-1]


def test_the_config_of_an_image_is_the_one_that_the_start_recorded():
    to = {"commit": COMMIT, "digest": DIGEST, "size": 7, "config": "e" * 64}
    assert plan_of(to=to).package.config == "e" * 64  # type: ignore[union-attr]
    assert plan_of().package.config == ""  # type: ignore[union-attr]


@pytest.mark.parametrize("drifted", [(), ("v9 was released by hand",)])
def test_where_nothing_is_open_what_differs_is_named(
    monkeypatch: pytest.MonkeyPatch, drifted: tuple[str, ...]
):
    monkeypatch.setattr(command, "drift", lambda *_: list(drifted))
    monkeypatch.setattr(command, "history_of", lambda *_: None)
    monkeypatch.setattr(command, "observe", lambda *_: None)
    monkeypatch.setattr(command, "of_drift", lambda *_: ("invoke rollback --env prod",))
    context = SimpleNamespace(log=lambda _: None)
    found = command._nothing_open(context, "prod", "capecraft")  # type: ignore[arg-type]
    assert (found.line, found.reasons) == ("capecraft has no unfinished action", drifted)
    assert found.next == (("invoke rollback --env prod",) if drifted else ("invoke status",))


@pytest.mark.parametrize(
    ("made", "settled"), [(("web", "worker"), True), (("web",), None), (("worker",), None), ((), None)]
)
def test_nobody_waits_once_every_component_has_its_release(
    monkeypatch: pytest.MonkeyPatch, made: tuple[str, ...], settled: bool | None
):
    parts = [{"name": name, "commit": COMMIT, "digest": DIGEST, "size": 1} for name in ("web", "worker")]
    plan = plan_of(to={**DETAILS["to"], "components": parts})
    looked: list[object] = []
    monkeypatch.setattr(module, "claim", lambda _, name: name)
    monkeypatch.setattr(module, "_on_its_way", lambda _, look: looked.append(look()))
    platform = SimpleNamespace(find=lambda app, name: Found(f"{app} of {name}") if name in made else Absent())
    apps = {"web": "one", "worker": "two"}
    context = SimpleNamespace(platform=platform, config=SimpleNamespace(apps=lambda _: apps))
    start = SimpleNamespace(seq=7, record=SimpleNamespace(action="deploy"))
    found = module._found(context, plan, start)  # type: ignore[arg-type]
    assert looked == [settled]
    assert found == {name: f"{app} of {name}" if name in made else None for name, app in apps.items()}


@pytest.mark.parametrize(
    ("action", "dead", "outcome", "line", "lost"),
    [
        ("config", True, Outcome.FAILED, "settled: bad", True),
        ("deploy", True, Outcome.FAILED, "settled: bad", False),
        ("deploy", True, Outcome.SUCCEEDED, "settled: bad had succeeded", False),
        ("migrate", True, Outcome.FAILED, "settled: bad", False),
        ("certify", True, Outcome.FAILED, "settled: certify #7 of capecraft changed nothing", False),
        ("deploy", False, Outcome.FAILED, "", False),
    ],
)
def test_what_was_settled_is_said_and_what_is_nowhere_too(
    monkeypatch: pytest.MonkeyPatch, action: str, dead: bool, outcome: Outcome, line: str, lost: bool
):
    record = SimpleNamespace(action=action)
    start = SimpleNamespace(seq=7, record=record)
    seen = Confirmation(("v5 failed",), {"revision": "0002"})
    asked: list[str] = []
    monkeypatch.setattr(module, "refuse_if_lost", lambda *_: None)
    monkeypatch.setattr("roadworthy.journal.lock.holder", lambda _: None)
    monkeypatch.setattr("roadworthy.journal.lock.HeldBy", lambda *_: OutcomeUnknown("held"))
    monkeypatch.setattr("roadworthy.execution.holding.fate", lambda *_: SimpleNamespace(dead=dead))
    monkeypatch.setattr(module, "require_settling", lambda *_: asked.append("may settle?"))
    monkeypatch.setattr(module.fence, "drained", lambda *_: asked.append("nothing arrives any more"))
    plan = plan_of(action, **{"from": {"revision": "0001", "deployment": 4}})
    monkeypatch.setattr(module, "recorded", lambda _: plan)
    monkeypatch.setattr(
        module, "_found", lambda *_: {"": SimpleNamespace(order=5, name="v5", artifact="s", status="failed")}
    )
    monkeypatch.setattr(module, "_released", lambda *_: seen)
    monkeypatch.setattr(module, "_migrated", lambda *_: seen)
    monkeypatch.setattr(
        module.release, "settle", lambda *_: Result(outcome, "bad", reasons=("v5 failed",), code=1)
    )
    context = SimpleNamespace(
        log=lambda _: SimpleNamespace(open_start=lambda: start), changes=lambda _: asked.append("may change?")
    )
    if not dead:
        with pytest.raises(OutcomeUnknown, match="held"):
            module.reconcile(context, "prod")  # type: ignore[arg-type]
        assert asked == []
        return
    found = module.reconcile(context, "prod")  # type: ignore[arg-type]
    assert asked == ["may settle?", "may change?", "nothing arrives any more"]
    assert found is not None and found.line == line
    nowhere = ("the old values are not recorded: set the old config vars by hand",) if lost else ()
    assert found.reasons == ("v5 failed", *nowhere)
    assert found.code == (0 if action == "certify" else 1)
