"""The commit stage: a success only beside a scope, a green run, documentation and, where it counts, the time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from roadworthy.config import Slo
from roadworthy.decision import commit_stage
from roadworthy.decision.commit_stage import DRIFTS, UNKNOWN, Drift, Stage
from roadworthy.model import CiState, Fact, StageRun

NOW = "2030-01-01T00:00:00Z"
PARTS = ("runtime", "desktop", "infra", "identity")
NOTHING = dict.fromkeys(PARTS, False)
GOOD = Stage(
    commit="c" * 40,
    ci=Fact("ci", CiState("success", "a test", run=StageRun("c" * 40, 1))),
    scope={**NOTHING, "runtime": True},
    drift=DRIFTS["pass"],
    seconds=299,
    slo=Slo(mode="enforce"),
)
OUTCOMES = [
    "success",
    "failure",
    "missing",
    "not found",
    "no conclusion",
    "neutral",
    "skipped",
    "unknown",
    "",
]
STAGES = st.fixed_dictionaries(
    {
        "commit": st.just("c" * 40),
        "ci": st.one_of(
            st.sampled_from(OUTCOMES).map(lambda outcome: Fact("ci", CiState(outcome, "a test"))),
            st.just(Fact("ci", missing="GitHub answered 500: try again later")),
        ),
        "scope": st.none() | st.fixed_dictionaries(dict.fromkeys(PARTS, st.booleans())),
        "drift": st.sampled_from([*DRIFTS.values(), Drift(True, UNKNOWN)]),
        "seconds": st.none() | st.integers(0, 1000),
        "slo": st.builds(Slo, mode=st.sampled_from(["observe", "enforce"])),
    }
).map(lambda said: Stage(**said))


def codes(stage: Stage) -> list[str]:
    return list(stage.decision.reasons)


def test_a_good_commit_has_no_reason_against_it():
    said = commit_stage.result(GOOD, NOW)
    assert said == {
        "schemaVersion": "1",
        "generatedAt": NOW,
        "headSha": "c" * 40,
        "testedSha": "c" * 40,
        "runtimeRequired": True,
        "desktopRequired": False,
        "infraRequired": False,
        "identityRequired": False,
        "docsDriftBlocking": False,
        "docsDriftStatus": "pass",
        "commitStageSlo": {"mode": "enforce", "pass": True, "targetSeconds": 300, "observedSeconds": 299},
        "checkResults": {
            "determine-scope": "success",
            "fast-feedback": "success",
            "desktop-fast-feedback": "skipped",
            "infra-static-check": "skipped",
            "identity-static-check": "skipped",
        },
        "pass": True,
        "reasonCodes": [],
        "reasonDetails": [],
        "reasons": [],
    }


RED: dict[str, Any] = {"ci": Fact("ci", CiState("failure", "a test"))}
FEEDBACK = "CHECK_RUNTIME_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (RED, [FEEDBACK]),
        ({**RED, "scope": NOTHING}, []),  # where nothing of the product changed no check of it is required
        (
            {**RED, "scope": None},
            ["CHECK_DETERMINE_SCOPE_NOT_SUCCESS", FEEDBACK],
        ),  # what is not known is required
        ({"ci": Fact("ci", missing="GitHub answered 500")}, [FEEDBACK]),
        (
            {**RED, "scope": {**NOTHING, "desktop": True}},
            ["CHECK_DESKTOP_FAST_FEEDBACK_REQUIRED_NOT_SUCCESS"],
        ),
        (
            {**RED, "scope": {**NOTHING, "infra": True}},
            ["CHECK_INFRA_STATIC_CHECK_REQUIRED_NOT_SUCCESS"],
        ),
        (
            {**RED, "scope": {**NOTHING, "identity": True}},
            ["CHECK_IDENTITY_STATIC_CHECK_REQUIRED_NOT_SUCCESS"],
        ),
        (
            {"scope": None, "drift": Drift(True, UNKNOWN)},
            ["CHECK_DETERMINE_SCOPE_NOT_SUCCESS", "DOCS_DRIFT_BLOCKING_NOT_PASS"],
        ),
        ({"drift": DRIFTS["blocking"]}, ["DOCS_DRIFT_BLOCKING_NOT_PASS"]),
        ({"drift": DRIFTS["advisory"]}, []),
        ({"drift": Drift(False, UNKNOWN)}, []),  # nothing asks for documentation
        ({"drift": Drift(True, "pass")}, []),
        ({"seconds": 300}, []),
        ({"seconds": 301}, ["COMMIT_STAGE_SLO_NOT_MET"]),
        ({"seconds": None}, ["COMMIT_STAGE_SLO_NOT_MET"]),
        ({"seconds": 301, "slo": Slo()}, []),
        ({"seconds": None, "slo": Slo()}, []),
    ],
)
def test_each_reason_against_a_commit_has_its_code(change: dict[str, Any], expected: list[str]):
    assert codes(replace(GOOD, **change)) == expected


@given(STAGES)
def test_only_the_words_that_mean_a_success_pass(stage: Stage):
    decision = stage.decision
    assert decision.yes == (
        stage.scope is not None
        and (not any(stage.scope.values()) or (stage.ci.known or CiState("", "")).outcome == "success")
        and stage.drift == Drift(False, "pass")
        and (stage.slo.mode == "observe" or (stage.seconds is not None and stage.seconds <= 300))
    )
    said = commit_stage.result(stage, NOW)
    assert said["pass"] is decision.yes
    assert said["reasonCodes"] == [detail["code"] for detail in said["reasonDetails"]] == codes(stage)
    required = [name for name, result in said["checkResults"].items() if result != "skipped"]
    assert decision.yes <= all(said["checkResults"][name] == "success" for name in required)


@given(STAGES)
def test_enforcing_the_time_never_makes_a_no_a_yes(stage: Stage):
    observed, enforced = (replace(stage, slo=Slo(mode=mode)) for mode in ("observe", "enforce"))
    assert set(codes(observed)) <= set(codes(enforced))
