"""What is read of a commit's stage: the newest intake, how long the run took, and which run it was."""

from __future__ import annotations

import hashlib
import json
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.config import Slo
from roadworthy.decision import commit_stage
from roadworthy.decision.commit_stage import DRIFTS, UNKNOWN, Drift, Stage
from roadworthy.journal.entry import Entry, Evidence, Record
from roadworthy.model import CiState, Fact, Proof, StageRun

NOW, COMMIT, TESTED = "2030-01-01T00:00:00Z", "c" * 40, "a" * 40


class Log:
    """A package's journal in memory: what `read` asks of one."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._files: dict[str, bytes] = {}

    def add(
        self, kind: str, action: str, second: int = 0, scope: dict[str, bool] | None = None, **said: Any
    ) -> Entry:
        evidence: tuple[Evidence, ...] = ()
        if scope is not None:
            data = json.dumps({"scope": scope}).encode()
            digest = hashlib.sha256(data).hexdigest()
            self._files[digest] = data
            evidence = (Evidence("scope.json", digest, len(data)),)
        record = Record(kind, "intake", action, "package", "sandbox", "none", "", said, evidence)
        seq = len(self._entries) + 1
        entry = Entry(record, seq, "", f"2030-01-01T00:00:{second:02}.500000Z", "", "", f"{seq:064x}")
        self._entries.append(entry)
        return entry

    def entries(self) -> list[Entry]:
        return self._entries

    def evidence_json(self, digest: str) -> Any:
        return json.loads(self._files[digest])


def read(log: Log, ci: Fact[CiState] | None = None) -> Stage:
    context: Any = SimpleNamespace(log=lambda place: log, config=SimpleNamespace(slo=Slo()))
    return commit_stage.read(context, COMMIT, ci or Fact("ci", missing="nobody was asked"))


RUNTIME, NOTHING = {"runtime": True}, {"runtime": False}


def test_the_newest_intake_that_ended_tells_scope_and_documentation():
    log = Log()
    log.add("end", "intake", scope=NOTHING, docs_drift="pass", settles=1)
    log.add("failed", "intake", scope=RUNTIME, docs_drift="blocking", settles=1)
    log.add("start", "intake")
    log.add("end", "build", scope=NOTHING, docs_drift="pass", settles=1)
    stage = read(log)
    assert (stage.scope, stage.drift) == (RUNTIME, DRIFTS["blocking"])
    assert (stage.commit, stage.seconds) == (COMMIT, None)


@pytest.mark.parametrize("said", [{}, {"docs_drift": "new word"}, {"docs_drift": None}, {"docs_drift": 1}])
def test_documentation_that_nobody_judged_blocks(said: dict[str, Any]):
    log = Log()
    log.add("end", "intake", scope=RUNTIME, settles=1, **said)
    assert read(log).drift == Drift(True, UNKNOWN)


def test_before_an_intake_nothing_is_known_and_all_is_required():
    stage = read(Log())
    assert (stage.scope, stage.drift) == (None, Drift(True, UNKNOWN))
    assert list(stage.decision.reasons) == [
        "CHECK_DETERMINE_SCOPE_NOT_SUCCESS",
        "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS",
        "DOCS_DRIFT_BLOCKING_NOT_PASS",
    ]
    assert stage.decision.reasons["CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS"].endswith(
        "nobody was asked"
    )


def test_a_run_in_the_journal_took_what_its_own_entries_say():
    log = Log()
    log.add("start", "test", 1)
    log.add("start", "intake", 2)
    ended = log.add("end", "test", 9, settles=1)
    log.add("end", "intake", 11, scope=RUNTIME, docs_drift="pass", settles=2)
    proof = Proof("test", "package", ended.seq, ended.sha256)
    run = StageRun(TESTED, 1, seconds=99.0)
    assert read(log, Fact("ci", CiState("success", "a test", proof=proof, run=run))).seconds == 8


@pytest.mark.parametrize(
    ("state", "took"),
    [
        (CiState("success", "GitHub", run=StageRun(TESTED, 1, seconds=301.0)), 301),
        (CiState("success", "GitHub", run=StageRun(TESTED, 1)), None),
        (CiState("not found", "GitHub"), None),
    ],
)
def test_any_other_run_took_what_its_source_says(state: CiState, took: float | None):
    assert read(Log(), Fact("ci", state)).seconds == took


RUN = StageRun(
    TESTED,
    42,
    "https://x/42",
    "completed",
    "success",
    NOW,
    "commit-stage.yml",
    17,
    "push",
    "main",
    7,
    5,
    301.0,
)


def test_the_evidence_names_the_run_and_says_how_it_ended():
    proof = Proof("test", "package", 3, "e" * 64)
    state = CiState("success", "GitHub's check", "https://x", proof=proof, run=RUN)
    assert commit_stage.evidence(Fact("ci", state), COMMIT, NOW) == {
        "schemaVersion": "1", "generatedAt": NOW, "headSha": COMMIT, "testedSha": TESTED, "pullRequest": 7,
        "workflowFile": "commit-stage.yml", "source": "GitHub's check", "pass": True, "reasons": [],
        "journalEntrySha256": "e" * 64,
        "commitStageRun": {
            "id": 42, "runNumber": 17, "htmlUrl": "https://x/42", "event": "push", "headBranch": "main",
            "status": "completed", "conclusion": "success", "updatedAt": NOW,
        },
    }  # fmt: skip


def test_evidence_of_a_run_that_is_not_there_or_not_known_says_why():
    missing = commit_stage.evidence(Fact("ci", missing="GitHub answered 500"), COMMIT, NOW)
    assert (missing["pass"], missing["reasons"], missing["commitStageRun"]) == (
        False,
        ["GitHub answered 500"],
        None,
    )
    assert (missing["source"], missing["journalEntrySha256"], missing["testedSha"]) == (None, None, None)
    red = commit_stage.evidence(
        Fact("ci", CiState("failure", "a test", run=StageRun(TESTED, "p#3"))), COMMIT, NOW
    )
    assert (red["pass"], red["reasons"], red["journalEntrySha256"]) == (False, ["failure"], None)
    assert (red["commitStageRun"]["id"], red["commitStageRun"]["htmlUrl"]) == ("p#3", None)
