"""What a ship says and does between its stages, without a platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.decision.lines import LINES, Line, Progress, State
from roadworthy.errors import CheckFailed, Held, OutcomeUnknown, Refused, Superseded
from roadworthy.journal.lock import HeldBy
from roadworthy.model import Outcome, Plan, Request, Result
from roadworthy.pipeline import ship as module
from roadworthy.pipeline.accept import accept

COMMIT = "c" * 40


def result(action: str, outcome: Outcome, *, already: bool = False) -> Any:
    plan = SimpleNamespace(request=SimpleNamespace(action=action), already=already)
    return SimpleNamespace(plan=plan, outcome=outcome)


@pytest.mark.parametrize(
    ("action", "outcome", "already", "changes"),
    [
        ("deploy", Outcome.SUCCEEDED, False, True),
        ("deploy", Outcome.SUCCEEDED, True, False),
        ("deploy", Outcome.FAILED, False, True),
        ("deploy", Outcome.UNKNOWN, False, True),
        ("deploy", Outcome.REFUSED, False, False),
        ("migrate", Outcome.FAILED, False, True),
        ("certify", Outcome.SUCCEEDED, False, False),
        ("complete", Outcome.SUCCEEDED, False, False),
    ],
)
def test_what_may_have_changed_something(action: str, outcome: Outcome, already: bool, changes: bool):
    assert module._changes(result(action, outcome, already=already)) is changes


def test_a_stage_without_a_plan_changed_nothing():
    assert module._changes(SimpleNamespace(plan=None, outcome=Outcome.SUCCEEDED)) is False  # type: ignore[arg-type]


@pytest.mark.parametrize(("github", "tested", "runs"), [
    (None, "missing", True), (None, "failure", True), (None, "success", False),
    ("owner/name", "missing", False), ("owner/name", "failure", False), ("owner/name", "success", False),
])  # fmt: skip
def test_own_tests_run_only_where_github_is_not_the_commit_stage(
    monkeypatch: pytest.MonkeyPatch, github: str | None, tested: str, runs: bool
):
    ran: list[str] = []
    monkeypatch.setattr(module, "package_of", lambda *_: SimpleNamespace(digest="d" * 64))
    state = SimpleNamespace(outcome=tested, source="a run", url="journal #3")
    monkeypatch.setattr(module, "test_run", lambda *_: state)
    monkeypatch.setattr(module, "test", lambda _, commit: ran.append(commit))
    monkeypatch.setattr(module.accept, "accept", lambda *_: "accepted")
    context = SimpleNamespace(
        config=SimpleNamespace(github=github),
        log=lambda _: SimpleNamespace(settled=list),
        screen=SimpleNamespace(fact=lambda *_: None),
    )
    said = module._verification(context, SimpleNamespace(commit=COMMIT))  # type: ignore[arg-type]
    assert (said, ran) == ("accepted", [COMMIT] if runs else [])
    assert accept is not module.accept.accept, "the real one did not run"


# ---- the walk ----------------------------------------------------------------------------------------------------


def asked(**more: Any) -> Any:
    return Request(**{"action": "deploy", "environment": "prod", "commit": COMMIT, "wait": 60.0, **more})


class Screen:
    """What is shown, kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.numbers: list[tuple[int, int, str]] = []
        self.rows: list[dict[str, Any]] = []

    @contextmanager
    def board(self, _: object) -> Iterator[None]:
        yield

    def stage(self, number: int, of: int, stage: str) -> None:
        self.numbers.append((number, of, stage))

    def line(self, line: str) -> None:
        self.lines.append(line)

    def stages(self, _: object, rows: list[dict[str, Any]]) -> None:
        self.rows = rows


def context(*, planning: bool = False, production: bool = True) -> Any:
    environment = SimpleNamespace(app="capecraft", production=production)
    return SimpleNamespace(
        log=lambda _: SimpleNamespace(head=lambda: None, settled=list),
        planning=planning,
        screen=Screen(),
        config=SimpleNamespace(environment=lambda _: environment),
    )


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a ship asked for before and between its stages; nothing stands in its way."""
    found: list[str] = []

    def note(name: str, answer: object = None) -> Callable[..., Any]:
        return lambda *_, **how: found.append(f"{name} {how}" if how else name) or answer

    monkeypatch.setattr(module.release, "refuse_if_superseded", note("superseded?"))
    monkeypatch.setattr(module.will_sign, "require", note("may sign?"))
    monkeypatch.setattr(module, "_existing", note("existing?"))
    monkeypatch.setattr(module.turn, "take", note("turn"))
    monkeypatch.setattr(module, "planned", note("planned", "a plan"))
    monkeypatch.setattr(module, "runs_now", lambda *_: "capecraft runs v3")
    monkeypatch.setattr(module, "progress_of", note("progress"))
    monkeypatch.setattr(module, "_next", lambda *_: ("invoke ship",))
    return found


@pytest.mark.parametrize(("replay", "existing"), [(False, []), (True, ["existing?"])])
def test_a_plan_waits_for_its_turn_and_settles_nothing(called: list[str], replay: bool, existing: list[str]):
    found: Any = module.ship(context(planning=True), asked(replay=replay))
    assert found == "a plan"
    assert called == ["superseded?", "may sign?", *existing, "turn {'settle': False}", "planned"]


def ended(
    outcome: Outcome = Outcome.SUCCEEDED,
    action: str = "",
    line: str = "done",
    code: int = 0,
    already: str = "",
) -> Callable[[], Result]:
    plan = Plan(asked(action=action), "capecraft", (), None, {}, {}, already) if action else None
    return lambda: Result(outcome, line, plan=plan, code=code)


def raising(error: Exception) -> Callable[[], Result]:
    def go() -> Result:
        raise error

    return go


def walked(monkeypatch: pytest.MonkeyPatch, *stages: tuple[str, Callable[[], Result]], **more: Any) -> Any:
    """The context and the result of a ship with these stages."""
    there = context()
    monkeypatch.setattr(module, "_shipped", lambda *_: iter(stages))
    monkeypatch.setattr(module, "_replayed", lambda *_: iter(stages))
    return there, module.ship(there, asked(**more))


def test_the_stages_are_taken_in_order_and_the_migrations_are_the_deploys(
    monkeypatch: pytest.MonkeyPatch, called: list[str]
):
    stages = [("build", ended(line="built")), ("deploy", ended(action="deploy")), ("migrations", ended())]
    there, found = walked(monkeypatch, *stages)
    assert there.screen.numbers == [(2, 7, "build"), (5, 7, "deploy"), (5, 7, "migrations")]
    assert there.screen.lines == ["  built", "  done", "  done"]
    assert found.outcome is Outcome.SUCCEEDED
    assert found.line == f"shipped {COMMIT[:12]} to capecraft, verified and complete"
    assert [(row["stage"], row["outcome"]) for row in found.details["stages"]] == [
        (stage, Outcome.SUCCEEDED) for stage, _ in stages
    ]
    assert there.screen.rows is found.details["stages"]
    assert called == ["superseded?", "may sign?"]


@pytest.mark.parametrize(
    ("stages", "replay", "line"),
    [
        (("deploy",), False, "shipped cccccccccccc to capecraft, verified and complete"),
        (
            ("build", "deploy", "completion"),
            True,
            "replayed cccccccccccc to capecraft, verified and complete",
        ),
        (("build", "completion"), False, "cccccccccccc needs no deployment to capecraft: decision YES"),
    ],
)
def test_the_last_line_says_what_was_shipped(
    monkeypatch: pytest.MonkeyPatch, called: list[str], stages: tuple[str, ...], replay: bool, line: str
):
    _, found = walked(monkeypatch, *((stage, ended()) for stage in stages), replay=replay)
    assert found.line == line


DEPLOYED = ("deploy", ended(action="deploy"))
THERE = ("deploy", ended(action="deploy", already="it runs"))


@pytest.mark.parametrize(
    ("before", "stopped", "outcome", "code", "line", "following"),
    [
        # What is refused before anything changed leaves nothing; what leads on follows from the guards.
        ((), ended(Outcome.REFUSED, "deploy", "no", 3), Outcome.REFUSED, 3, "no", ()),
        ((THERE,), ended(Outcome.REFUSED, "migrate", "no", 3), Outcome.REFUSED, 3, "no", ()),
        # Once something changed it is a failure, and says what runs.
        (
            (DEPLOYED,), ended(Outcome.REFUSED, "migrate", "no", 3), Outcome.FAILED, 1, "no; capecraft runs v3",
            ("invoke ship",),
        ),
        (
            (), ended(Outcome.FAILED, "deploy", "bad", 1), Outcome.FAILED, 1, "bad; capecraft runs v3",
            ("invoke ship",),
        ),
        ((), ended(Outcome.FAILED, "", "tests failed", 1), Outcome.FAILED, 1, "tests failed", ("invoke ship",)),
        (
            (DEPLOYED,), ended(Outcome.UNKNOWN, "migrate", "?", 4), Outcome.UNKNOWN, 4, "?; capecraft runs v3",
            ("invoke ship",),
        ),
    ],
)  # fmt: skip
def test_a_stage_that_does_not_succeed_ends_the_ship(
    monkeypatch: pytest.MonkeyPatch,
    called: list[str],
    before: Any,
    stopped: Any,
    outcome: Outcome,
    code: int,
    line: str,
    following: tuple[str, ...],
):
    never = ("completion", lambda: pytest.fail("it went on"))
    there, found = walked(monkeypatch, *before, ("migrations", stopped), never)
    assert (found.outcome, found.code, found.line, found.next) == (outcome, code, line, following)
    assert len(found.details["stages"]) == len(there.screen.rows) == len(before) + 1
    assert len(there.screen.lines) == len(before)


def test_what_cannot_be_told_of_the_way_on_does_not_hide_what_stopped(
    monkeypatch: pytest.MonkeyPatch, called: list[str]
):
    monkeypatch.setattr(module, "progress_of", lambda *_: raising(CheckFailed("no journal"))())
    _, found = walked(monkeypatch, ("verification", ended(Outcome.FAILED, line="tests failed")))
    assert (found.line, found.next) == ("tests failed", ())


@pytest.mark.parametrize("changed", [True, False])
def test_an_error_after_a_change_says_what_runs(
    monkeypatch: pytest.MonkeyPatch, called: list[str], changed: bool
):
    before = (DEPLOYED,) if changed else (THERE,)
    with pytest.raises(CheckFailed if changed else Refused) as caught:
        walked(monkeypatch, *before, ("migrations", raising(Refused("by a key"))))
    assert str(caught.value) == ("by a key; capecraft runs v3" if changed else "by a key")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Refused("x"), CheckFailed),
        (CheckFailed("x"), CheckFailed),
        (Held("x"), Held),
        (Superseded("x"), Superseded),
        (OutcomeUnknown("x"), OutcomeUnknown),
    ],
)
def test_the_kind_of_an_error_after_a_change(called: list[str], error: Any, kind: type[Exception]):
    found = module._after_a_change(context(), asked(), error)
    assert type(found) is kind
    assert str(found) == ("x" if kind is OutcomeUnknown else "x; capecraft runs v3")


HELD_BY = HeldBy.__new__(HeldBy)


@pytest.mark.parametrize(
    ("error", "replay", "newer", "overtaken"),
    [
        (Held("another runs"), False, "dddd, which runs", True),
        (Held("another runs"), False, None, False),
        (Held("another runs"), True, "dddd, which runs", False),  # a replay goes back on purpose
        (HELD_BY, False, "dddd, which runs", False),  # it has its turn later
        (CheckFailed("no"), False, "dddd, which runs", False),
        (CheckFailed("no"), True, "dddd, which runs", False),
        (HELD_BY, True, "dddd, which runs", False),
    ],
)
def test_a_ship_is_superseded_when_a_newer_package_runs_by_now(
    monkeypatch: pytest.MonkeyPatch, error: Any, replay: bool, newer: str | None, overtaken: bool
):
    monkeypatch.setattr(module, "newer_than", lambda *_: newer)
    log: Any = None
    found = module._overtaken(context(), log, asked(replay=replay), error, None)
    if overtaken:
        assert isinstance(found, Superseded)
        assert str(found) == f"{COMMIT[:12]} is superseded in prod by dddd, which runs"
    else:
        assert found is error


def progress_with(*, next: tuple[str, ...] = ("invoke first",), **states: State) -> Progress:
    """All stages done, but for these."""
    lines = tuple(Line(name, states.get(name.split()[-1], State.DONE)) for name in LINES)
    return Progress(COMMIT, "prod", lines, next, "")


@pytest.mark.parametrize(
    ("states", "approval", "production", "following"),
    [
        ({}, "", True, ()),
        ({"completion": State.FAILED}, "", True, ("again {}",)),
        ({"completion": State.OPEN}, "", True, ("invoke first", "again {}")),
        ({"migrations": State.REFUSED}, "", True, ("again {'approval': 'REF'}",)),
        ({"migrations": State.REFUSED}, "WO-4", True, ("again {'approval': 'WO-4'}",)),
        ({"migrations": State.REFUSED}, "", False, ("again {}",)),
        ({"deploy": State.OPEN, "migrations": State.NOT_REACHED}, "", True,
         ("invoke first", "again {'approval': 'REF'}")),
        ({"deploy": State.FAILED, "migrations": State.NOT_NEEDED}, "", True, ("again {}",)),
    ],
)  # fmt: skip
def test_what_leads_on_is_the_ship_itself_after_what_is_open(
    monkeypatch: pytest.MonkeyPatch, states: Any, approval: str, production: bool, following: tuple[str, ...]
):
    monkeypatch.setattr(module, "again", lambda *_, **more: f"again {more}")
    there, request = context(production=production), asked(approval=approval)
    assert module._next(there, request, progress_with(**states)) == following
    if states:
        assert module._next(there, request, progress_with(next=(), **states)) == ()


# ---- which stages a ship has, and what each does -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("replay", "deployed", "migrated", "lines"),
    [
        (False, State.DONE, State.DONE, ["done", "done"]),
        (False, State.NOT_REACHED, State.NOT_REACHED, ["run deploy", "run migrate"]),
        (False, State.DONE, State.REFUSED, ["done", "run migrate"]),
        (False, State.FAILED, State.NOT_NEEDED, ["run deploy", "not needed"]),
        (True, State.DONE, State.DONE, ["run deploy", "done"]),
    ],
)
def test_a_ship_goes_on_where_the_progress_has_no_valid_end(
    monkeypatch: pytest.MonkeyPatch, replay: bool, deployed: State, migrated: State, lines: list[str]
):
    asked_for: list[Any] = []

    def run(_: object, request: Any) -> Result:
        asked_for.append((request.action, request.to, request.then))
        return Result(Outcome.SUCCEEDED, f"run {request.action}")

    monkeypatch.setattr(module.release, "run", run)
    found = progress_with(deploy=deployed, migrations=migrated)
    monkeypatch.setattr(module, "progress_of", lambda *_: found)
    monkeypatch.setattr(module, "package_of", lambda *_: SimpleNamespace(digest="d" * 64))
    monkeypatch.setattr(module, "_verified", lambda *_: Result(Outcome.SUCCEEDED, "verified"))
    monkeypatch.setattr(module, "_completed", lambda *_: Result(Outcome.SUCCEEDED, "completed"))
    walk = [(stage, go().line) for stage, go in module._deployed(context(), asked(replay=replay), found)]
    assert [stage for stage, _ in walk] == ["deploy", "migrations", "post-deploy verification", "completion"]
    assert [line.split(":")[0] for _, line in walk] == [*lines, "verified", "completed"]
    whole = {
        "deploy": ("deploy", "", ("migrate", "complete")),
        "migrate": ("migrate", "d" * 64, ("complete",)),
    }
    assert asked_for == [whole[line.removeprefix("run ")] for line in lines if line.startswith("run")]


@pytest.mark.parametrize(("code", "stages"), [
    ("DOCS_ONLY", ["intake", "build", "verification", "release", "completion"]),
    ("", ["intake", "build", "verification", "release", "deploy"]),
])  # fmt: skip
def test_only_a_change_that_needs_none_has_no_deployment(
    monkeypatch: pytest.MonkeyPatch, code: str, stages: list[str]
):
    found = SimpleNamespace(no_deploy=code)
    monkeypatch.setattr(module, "progress_of", lambda *_: found)
    monkeypatch.setattr(module, "_deployed", lambda *_: iter([("deploy", ended())]))
    for stage in (module.intake, module.build):
        monkeypatch.setattr(stage, "report", lambda *_, at=stage: at)
    monkeypatch.setattr(module, "_verification", lambda *_: "verification")
    monkeypatch.setattr(module.mark_released, "mark_released", lambda *_: "release")
    monkeypatch.setattr(module.complete, "without_deployment", lambda *_: "decided")
    walk = [(stage, go()) for stage, go in module._shipped(context(), asked())]
    assert [stage for stage, _ in walk] == stages
    assert [did for _, did in walk[:4]] == [module.intake, module.build, "verification", "release"]
    assert code == "" or walk[-1][1] == "decided"


def test_a_replay_builds_nothing_and_accepts_anew(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "progress_of", lambda *_: SimpleNamespace(no_deploy="DOCS_ONLY"))
    monkeypatch.setattr(module, "_deployed", lambda *_: iter([("deploy", lambda: "deployed")]))
    monkeypatch.setattr(module, "_existing", lambda *_: "existing")
    monkeypatch.setattr(module.accept, "accept", lambda *_, again=False: f"accepted, again {again}")
    monkeypatch.setattr(module.mark_released, "mark_released", lambda *_: "released")
    walk: Any = [go() for _, go in module._replayed(context(), asked(replay=True))]
    assert walk == ["existing", "accepted, again True", "released", "deployed"]


def test_what_is_done_already_says_which_entry_does():
    done = module._done_already(Line("deploy", State.DONE, "prod", 12))
    assert (done.outcome, done.line) == (Outcome.SUCCEEDED, "done: it stands (prod #12)")
    none = module._done_already(Line("migrations", State.NOT_NEEDED, why="it has none"))
    assert none.line == "not needed: it has none (no entry)"


@pytest.mark.parametrize(
    ("runs", "says"),
    [(COMMIT, ""), ("b" * 40, "bbbbbbbbbbbb was deployed to prod"), ("", "nothing was deployed to prod")],
)
def test_only_this_commit_is_verified_once_it_is_our_turn(
    monkeypatch: pytest.MonkeyPatch, called: list[str], runs: str, says: str
):
    there = SimpleNamespace(end=SimpleNamespace(commit=runs)) if runs else None
    monkeypatch.setattr(module, "running", lambda _: there)
    monkeypatch.setattr(module.verify, "compare", lambda _, environment: f"{environment} compared")
    if says:
        with pytest.raises(Held, match=f"{says} meanwhile: nothing was verified"):
            module._verified(context(), asked())
    else:
        assert module._verified(context(), asked()) == "prod compared"  # type: ignore[comparison-overlap]
    assert called == ["turn {'settle': True}"]


@pytest.mark.parametrize(
    ("outcome", "seq", "decision", "told"),
    [
        (Outcome.SUCCEEDED, 14, None, "completion"),  # it was decided just now
        (Outcome.FAILED, 14, None, "completion"),
        (Outcome.REFUSED, 0, None, "completion"),
        (Outcome.SUCCEEDED, 0, Outcome.SUCCEEDED, "completion"),  # complete already, and still YES
        (Outcome.SUCCEEDED, 0, Outcome.FAILED, "decision"),
    ],
)
def test_what_was_complete_already_is_decided_on_as_it_is_told_now(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, seq: int, decision: Outcome | None, told: str
):
    requests: list[Any] = []
    decided = Result(decision, "decision") if decision else None
    monkeypatch.setattr(module, "package_of", lambda *_: SimpleNamespace(digest="d" * 64))
    monkeypatch.setattr(
        module.complete,
        "complete",
        lambda _, request: requests.append(request) or Result(outcome, "completion", seq=seq),
    )
    monkeypatch.setattr(
        module.complete, "decision_of", lambda *_: decided or pytest.fail("it was decided twice")
    )
    assert module._completed(context(), asked()).line == told
    assert [(one.action, one.to) for one in requests] == [("complete", "d" * 64)]


@pytest.mark.parametrize(
    ("built", "states", "refused"),
    [
        (True, {}, False),
        (True, {"verification": State.FAILED}, False),  # it is accepted anew
        (True, {"deploy": State.FAILED}, False),
        (True, {"build": State.FAILED}, True),
        (True, {"release": State.NOT_REACHED}, True),
        (False, {}, True),
    ],
)
def test_only_what_was_built_and_released_can_be_replayed(
    monkeypatch: pytest.MonkeyPatch, built: bool, states: Any, refused: bool
):
    done = SimpleNamespace(seq=4, ended="2030-01-01T00:00:00.000000Z") if built else None
    looked: list[Any] = []
    monkeypatch.setattr(module, "asked_of", lambda *_: SimpleNamespace(standing=SimpleNamespace(build=done)))
    monkeypatch.setattr(module, "progress", lambda _: progress_with(**states))
    monkeypatch.setattr(module.build, "manifest_of", lambda _, build, commit: looked.append((build, commit)))
    monkeypatch.setattr(module, "recorded", lambda *_: SimpleNamespace(digest="d" * 64))
    if refused:
        with pytest.raises(Refused, match="cccccccccccc cannot be replayed") as caught:
            module._existing(context(), asked(replay=True))
        assert caught.value.next == ("invoke first",)
        return
    found = module._existing(context(), asked(replay=True))
    line = f"package {'d' * 64} of {COMMIT[:12]}, built 2030-01-01T00:00:00Z"
    assert (found.outcome, found.seq, found.line) == (Outcome.SUCCEEDED, 4, line)
    assert looked == [(done, COMMIT)]
