"""The Definition of Done: what does not hold, and what cannot be asked, is named; and which entries say so."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.actions import complete as action
from roadworthy.decision import told as telling
from roadworthy.decision.lines import LINES, Line, Progress, State
from roadworthy.errors import CheckFailed
from roadworthy.model import Outcome, Plan, Request, Result
from roadworthy.pipeline import complete as module

COMMIT = "c" * 40


class Log:
    """Entries from the newest to the oldest, outcomes from the oldest to the newest, and evidence by its digest."""

    def __init__(self, *newest_first: Any, settled: tuple[Any, ...] = ()) -> None:
        self.entries, self.outcomes = newest_first, settled

    def backwards(self, since: Any = None) -> Iterator[Any]:
        """From `since` on, an outcome of one of the entries."""
        return iter([one for one in self.entries if since is None or one.seq <= since.seq])

    def settled(self) -> tuple[Any, ...]:
        return self.outcomes

    def evidence(self, sha256: str) -> bytes:
        return f"bytes of {sha256}".encode()


def entry(seq: int, kind: str, action: str, *items: str, **details: Any) -> Any:
    """An entry, with evidence of these names."""
    evidence = [SimpleNamespace(name=name, sha256=f"{name} #{seq}") for name in items]
    record = SimpleNamespace(kind=kind, action=action, details=details, evidence=evidence)
    return SimpleNamespace(seq=seq, at=f"at #{seq}", record=record)


def context(log: Log) -> Any:
    return SimpleNamespace(log=lambda _: log, planning=False)


def test_what_does_not_hold_or_cannot_be_told_is_named(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> str:
        raise CheckFailed("the database does not answer")

    criteria = {"good": lambda *_: "", "bad": lambda *_: "it runs v3", "broken": broken, "unasked": broken}
    monkeypatch.setattr(action, "CRITERIA", criteria)
    done = SimpleNamespace(criteria=("good", "bad", "broken"))
    asked: Any = SimpleNamespace(config=SimpleNamespace(done=done))
    found = action._unmet(asked, SimpleNamespace())  # type: ignore[arg-type]
    assert found == {"bad": "it runs v3", "broken": "unknown: the database does not answer"}


# ---- which completion's files are left behind ----------------------------------------------------------------

AN_OLDER = entry(5, "end", "complete", deployment=2)
OF_ANOTHER = entry(9, "end", "complete", deployment=8)
COMPLETED = Log(
    entry(16, "end", "complete", deployment=11),
    entry(15, "note", "decide", deployment=12),
    entry(14, "failed", "complete", deployment=12),
    entry(13, "end", "complete", deployment=12),
    OF_ANOTHER,
    AN_OLDER,
)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the entries whose files were left in `.artifacts`."""
    found: list[int] = []
    monkeypatch.setattr(module, "_write", lambda _, environment, entry, commit: found.append(entry.seq))
    return found


def completed(monkeypatch: pytest.MonkeyPatch, outcome: Outcome, seq: int, **more: Any) -> Any:
    request = Request(action="complete", environment="prod", commit=COMMIT)
    plan = Plan(request, "capecraft", (), None, {"deployment": 12}, {})
    result = Result(outcome, "", plan=more.pop("plan", plan), seq=seq)
    monkeypatch.setattr(module.release, "run", lambda *_, **__: result)
    only_plan = more.pop("only_plan", False)
    there = context(COMPLETED)
    there.planning = more.pop("planning", False)
    assert module.complete(there, request, only_plan) is result


@pytest.mark.parametrize(
    ("outcome", "seq", "found"),
    [
        (Outcome.SUCCEEDED, 16, 16),
        (Outcome.FAILED, 14, 14),  # a NO leaves its files, too
        (Outcome.SUCCEEDED, 0, 13),  # complete already: by the newest that completed this very deployment
    ],
)
def test_the_files_are_those_of_the_entry_that_completes_this_deployment(
    monkeypatch: pytest.MonkeyPatch, written: list[int], outcome: Outcome, seq: int, found: int
):
    completed(monkeypatch, outcome, seq)
    assert written == [found]


@pytest.mark.parametrize(
    "how",
    [
        {"only_plan": True},
        {"planning": True},
        {"plan": None},
        {"outcome": Outcome.REFUSED},
        {"outcome": Outcome.UNKNOWN},
    ],
)
def test_what_completed_nothing_leaves_no_files(
    monkeypatch: pytest.MonkeyPatch, written: list[int], how: dict[str, Any]
):
    completed(monkeypatch, how.pop("outcome", Outcome.SUCCEEDED), 13, **how)
    assert written == []


@pytest.mark.parametrize(
    ("one", "completes"),
    [
        (entry(3, "end", "complete", deployment=2), True),
        (entry(3, "end", "complete", deployment=1), False),
        (entry(3, "failed", "complete", deployment=2), False),
        (entry(3, "end", "verify", deployment=2), False),
        (entry(3, "end", "complete"), False),
    ],
)
def test_only_the_end_of_its_completion_completes_a_deployment(one: Any, completes: bool):
    assert module._completes(one, 2) is completes


def test_of_the_evidence_the_files_of_the_contract_alone_are_left(monkeypatch: pytest.MonkeyPatch):
    left: dict[str, bytes] = {}
    monkeypatch.setattr(
        module.artifacts, "write", lambda _, name, commit, data: left.update({f"{commit[0]} {name}": data})
    )
    one = entry(7, "end", "complete", "plan.json", *telling.VIEWS, "health.txt")
    module._write(context(Log(one)), "prod", one, COMMIT)
    assert left == {
        f"c {name}": f"bytes of {key} #7".encode() for key, name in telling.VIEWS.items()
    }  # fmt: skip


# ---- what the journals tell ------------------------------------------------------------------------------------


def progress_with(**more: Any) -> Progress:
    told: dict[str, Any] = {"lines": (), "next": (), "no_deploy": "", **more}
    return Progress(COMMIT, "prod", **told)


RAN: Any = SimpleNamespace(seq=12, at="at #12", release=3, completed=None)


def test_the_deployment_that_stands_is_told_with_the_start_that_its_end_settles():
    start = entry(10, "start", "deploy", replay=True)
    log: Any = Log(
        entry(13, "start", "complete"),
        entry(12, "end", "deploy", settles=10),
        entry(11, "note", "heartbeat"),
        start,
        entry(9, "start", "deploy"),
    )
    deployed, began = telling._deployed(log, progress_with(ran=RAN))
    assert began is start
    assert deployed == telling.decide.Deployment(10, 12, "at #10", "at #12", 3)
    assert telling._deployed(log, progress_with()) == (None, None)


@pytest.mark.parametrize(
    ("settled", "failed"),
    [
        ((), False),
        ((("failed", "deploy", COMMIT),), True),
        ((("failed", "rollback", COMMIT),), True),
        ((("failed", "adopt", COMMIT),), True),
        ((("failed", "deploy", COMMIT), ("end", "deploy", COMMIT)), False),  # the newest counts
        ((("end", "deploy", COMMIT), ("failed", "deploy", COMMIT)), True),
        ((("abandon", "deploy", COMMIT),), False),
        ((("failed", "deploy", "b" * 40),), False),
        ((("failed", "migrate", COMMIT),), False),  # no deployment
        ((("failed", "deploy", COMMIT), ("end", "deploy", "b" * 40), ("end", "migrate", COMMIT)), True),
    ],
)
def test_a_deployment_has_failed_when_the_newest_of_this_commit_did(
    settled: tuple[tuple[str, str, str], ...], failed: bool
):
    outcomes = tuple(SimpleNamespace(kind=k, action=a, commit=c) for k, a, c in settled)
    log: Any = Log(settled=outcomes)
    assert telling._last_failed(log, COMMIT) is failed


@pytest.mark.parametrize(
    ("of_the_deploy", "later", "replayed"),
    [
        ({}, (), False),
        ({"replay": False}, (), False),
        ({"replay": True}, (), True),
        ({}, (("start", "complete", 12, True),), True),  # what ran already is completed by a replay
        ({}, (("start", "complete", 12, False),), False),
        ({}, (("end", "complete", 12, True),), False),
        ({}, (("start", "migrate", 12, True),), False),
        ({}, (("start", "complete", 8, True),), False),  # another deployment's
        ({}, (("start", "complete", 12, False), ("start", "complete", 12, True)), False),  # newest first
        ({}, (("start", "complete", 12, True), ("start", "complete", 12, False)), True),
        ({"replay": True}, (("start", "complete", 12, False),), True),
    ],
)
def test_a_deployment_is_a_replay_when_one_began_it_or_its_newest_completion(
    of_the_deploy: dict[str, Any], later: tuple[tuple[str, str, int, bool], ...], replayed: bool
):
    newer = [
        entry(20 - at, kind, action, replay=replay, **{"from": {"deployment": number}})
        for at, (kind, action, number, replay) in enumerate(later)
    ]
    start = entry(10, "start", "deploy", **of_the_deploy)
    before = entry(11, "start", "complete", replay=True, **{"from": {"deployment": 12}})
    log: Any = Log(*newer, entry(12, "end", "deploy", settles=10), before, start)
    deployed = telling.decide.Deployment(10, 12, "", "", 3)
    assert telling._replayed(log, deployed, start) is replayed


@pytest.mark.parametrize("stands", [True, False])
@pytest.mark.parametrize("replayed", [True, False])
@pytest.mark.parametrize("asked_now", [None, {"checks_pass": "health: 500"}])
def test_only_a_deployment_that_stands_can_be_a_replay_and_only_one_that_does_not_have_failed(
    monkeypatch: pytest.MonkeyPatch, stands: bool, replayed: bool, asked_now: dict[str, str] | None
):
    asked = SimpleNamespace(standing=SimpleNamespace(digest="d" * 64))
    deployed = telling.decide.Deployment(10, 12, "", "", 3)
    start = entry(10, "start", "deploy")
    looked: list[Any] = []
    monkeypatch.setattr(telling, "asked_of", lambda *_: asked)
    monkeypatch.setattr(telling, "as_completed", lambda _: "as completed")
    monkeypatch.setattr(telling, "progress", lambda what: looked.append(what) or progress_with(no_deploy="N"))
    monkeypatch.setattr(telling, "_deployed", lambda *_: (deployed, start) if stands else (None, None))
    monkeypatch.setattr(
        telling, "_replayed", lambda _, its, began: replayed and (its, began) == (deployed, start)
    )
    monkeypatch.setattr(telling, "_last_failed", lambda *_: True)
    monkeypatch.setattr(telling, "_unmet_of", lambda _, log: {"of": "the journal" if log else "the line"})
    monkeypatch.setattr(telling, "_tests", lambda *_: None)
    monkeypatch.setattr(telling.commit_stage, "read", lambda *_: "a commit stage")
    monkeypatch.setattr(telling.times, "of_release", lambda *_, **how: how)
    there: Any = SimpleNamespace(log=lambda _: SimpleNamespace(entries=list))
    told: Any = telling.read(there, "prod", COMMIT, asked_now)
    assert looked == [asked if asked_now is None else "as completed"]
    assert (told.deployed, told.replay, told.no_deploy) == (
        deployed if stands else None,
        stands and replayed,
        "N",
    )
    assert told.times == {"replay": stands and replayed, "failed": not stands}
    assert told.unmet == {"of": "the journal" if asked_now is None else "the line", **(asked_now or {})}


def lines(**states: State) -> tuple[Line, ...]:
    """All stages done, but for these."""
    return tuple(
        Line(name, states.get(name.replace(" ", "_").replace("-", "_"), State.DONE)) for name in LINES
    )


@pytest.mark.parametrize(
    ("states", "following", "unmet"),
    [
        ({}, (), {}),
        ({"intake": State.FAILED}, (), {}),  # no stage of a deployment
        ({"deploy": State.NOT_REACHED, "completion": State.NOT_REACHED}, ("x",), {}),  # never deployed here
        ({"deploy": State.FAILED}, ("x",), {}),
        ({"deploy": State.REFUSED}, ("x",), {}),
        ({"deploy": State.OPEN}, (), {"complete": "deploy: open"}),
        ({"deploy": State.OPEN}, ("invoke x", "y"), {"complete": "deploy: open: run `invoke x`"}),
        ({"migrations": State.NOT_NEEDED}, (), {}),
        ({"migrations": State.REFUSED}, ("invoke x",), {"complete": "migrations: refused: run `invoke x`"}),
        ({"migrations": State.OPEN}, (), {"complete": "migrations: open"}),
        ({"completion": State.NOT_REACHED}, (), {"complete": "completion: not reached"}),
    ],
)
def test_the_first_stage_of_the_deployment_that_is_not_done_is_what_is_unmet(
    states: dict[str, State], following: tuple[str, ...], unmet: dict[str, str]
):
    found = progress_with(lines=lines(**states), next=following)
    log: Any = Log()
    assert telling._unmet_of(found, log) == unmet
    assert telling._unmet_of(found, None) == unmet


@pytest.mark.parametrize(
    ("criteria", "unmet"),
    [
        ({"checks_pass": "health: 500", "package_runs": "holds"}, {"checks_pass": "health: 500"}),
        ({"checks_pass": "holds"}, {"complete": "it failed"}),
        (None, {"complete": "it failed"}),
    ],
)
def test_of_a_completion_that_failed_its_own_criteria_are_what_is_unmet(
    criteria: dict[str, str] | None, unmet: dict[str, str]
):
    one = entry(14, "failed", "complete", **({} if criteria is None else {"criteria": criteria}))
    log: Any = Log(entry(15, "note", "decide", criteria={"another": "bad"}), one)
    completed: Any = SimpleNamespace(seq=14)
    found = progress_with(lines=lines(completion=State.FAILED), completed=completed)
    assert telling._unmet_of(found, log) == unmet
    # While a completion is being written, and where the failed line names none, the line itself is told.
    plain = {"complete": "completion: failed"}
    assert telling._unmet_of(found, None) == plain
    assert telling._unmet_of(progress_with(lines=found.lines), log) == plain
    for state in (State.REFUSED, State.OPEN, State.NOT_REACHED):
        other = progress_with(lines=lines(completion=state), completed=completed)
        assert telling._unmet_of(other, log) == {"complete": f"completion: {state}"}


# ---- the criteria ------------------------------------------------------------------------------------------------

PLAN: Any = SimpleNamespace(
    request=SimpleNamespace(environment="prod", commit=COMMIT),
    app="capecraft",
    package=SimpleNamespace(digest="d" * 64),
    before={"deployment": 12},
)


@pytest.mark.parametrize(
    ("lacks", "invalid", "why"),
    [("", (), ""), ("no release", (), "no release"), ("", ("build #3: EARLY", "b"), "build #3: EARLY")],
)
def test_a_stage_that_lacks_or_stands_out_of_order_is_unmet(
    monkeypatch: pytest.MonkeyPatch, lacks: str, invalid: tuple[str, ...], why: str
):
    standing = SimpleNamespace(
        lacks=lambda action: lacks if action == "deploy" else "another", invalid=invalid
    )
    monkeypatch.setattr(action, "standing_of", lambda *_: standing)
    assert action.CRITERIA["stages_in_order"](context(Log()), PLAN) == why


@pytest.mark.parametrize(
    ("digest", "maintenance", "why"),
    [
        ("d" * 64, False, ""),
        ("d" * 64, True, "capecraft is in maintenance mode"),
        ("e" * 64, False, f"the platform runs package {'e' * 12}"),
        ("", False, "the platform runs package none"),
    ],
)
def test_another_package_and_maintenance_are_unmet(
    monkeypatch: pytest.MonkeyPatch, digest: str, maintenance: bool, why: str
):
    seen = SimpleNamespace(digest=digest, maintenance=maintenance)
    monkeypatch.setattr(action, "observe", lambda *_: SimpleNamespace(as_of=lambda _: seen))
    assert action.CRITERIA["package_runs"](context(Log()), PLAN) == why


def test_each_check_that_does_not_pass_is_unmet(monkeypatch: pytest.MonkeyPatch):
    results = [
        SimpleNamespace(name=name, outcome=outcome, reason=f"{name} said so")
        for name, outcome in (("a", "passed"), ("b", "failed"), ("c", "unknown"))
    ]
    monkeypatch.setattr(action, "addresses", lambda *_: "addresses")
    monkeypatch.setattr(action, "ask", lambda *_: results)
    told = action.CRITERIA["checks_pass"](context(Log()), PLAN)
    assert told == "check b: b said so; check c: c said so"
    results[:] = results[:1]
    assert action.CRITERIA["checks_pass"](context(Log()), PLAN) == ""


@pytest.mark.parametrize(
    ("seen", "journal", "pending", "why"),
    [
        ("0002", "0002", (), ""),
        (None, None, (), ""),
        ("0001", "0002", (), "the database is at 0001, the journal says 0002: run `invoke migrate`"),
        ("0001", "0001", ("0002", "0003"), "0002, 0003 was not migrated: run `invoke migrate`"),
    ],
)
def test_a_schema_that_is_not_the_journals_or_lags_is_unmet(
    monkeypatch: pytest.MonkeyPatch, seen: str, journal: str, pending: tuple[str, ...], why: str
):
    left = [SimpleNamespace(revision=one) for one in pending]
    asked = SimpleNamespace(revision=journal, pending=lambda: left)
    monkeypatch.setattr(action, "asked_of", lambda *_: asked)
    monkeypatch.setattr(action, "revision_of", lambda *_: seen)
    assert action.CRITERIA["schema_is_current"](context(Log()), PLAN) == why


def test_all_evidence_since_the_deployment_is_read(monkeypatch: pytest.MonkeyPatch):
    log = Log(
        entry(14, "end", "migrate", "b", "c"),
        entry(12, "end", "deploy", "a"),
        entry(11, "start", "deploy", "of the start"),
        entry(10, "end", "complete", "older"),
    )
    read: list[str] = []
    monkeypatch.setattr(log, "evidence", lambda sha256: read.append(sha256))
    assert action.CRITERIA["evidence_is_kept"](context(log), PLAN) == ""
    assert read == ["b #14", "c #14", "a #12", "of the start #11"]
