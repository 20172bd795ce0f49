"""Kill -9 at the effects of the stages on a package: run again, each is done, and nothing half-done counts.

These stages change no environment, so nothing has to be looked for: what was left open is given up, in writing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from road.project import ended

from roadworthy.facts.standing import read_standing

from .conftest import Tell
from .sampling import SEED, sampled
from .site import Act, Site, points_in, site

pytestmark = pytest.mark.matrix
ORDER = ("intake", "build", "test", "accept", "release")
VIEWS = {
    "intake": {"commit-stage/{}/scope.json": "scope.json", "docs-drift/{}/result.json": "docs-drift.json"},
    "build": {"release-package/{}/manifest.json": "manifest.json"},
    "accept": {"acceptance/{}/result.json": "acceptance.json"},
}
"""The contract's files of a stage, and the evidence that each is a view of."""
ON_ONE_SITE = 24


@pytest.mark.timeout(1200)
def test_a_stage_that_was_killed_is_done_again(tmp_path: Path, tell: Tell) -> None:
    found: dict[str, list[str]] = {}
    left: list[tuple[str, str]] = []
    kills: Counter[str] = Counter()
    while left or not found:
        with site(tmp_path / f"{len(left)}") as place:
            if not found:
                found = {stage: _points(place, stage) for stage in ORDER}
                left = [(stage, point) for stage in ORDER for point in sampled(found[stage])]
            for stage, point in left[:ON_ONE_SITE]:
                act, commit = _prepare(place, stage)
                process = place.start(act, point)
                ran = ended(process)
                _end_orphans(process.pid)
                assert ran.code == -signal.SIGKILL, f"{stage} at {point}: {ran.text}"
                kills[stage] += 1
                try:
                    _resume(place, act, commit)
                except AssertionError as error:
                    raise AssertionError(f"{stage} killed at {point}: {error}") from error
        left = left[ON_ONE_SITE:]
    for stage in ORDER:
        tell(f"{stage}: {kills[stage]} kills at {len(found[stage])} points (seed {SEED})")


def _points(place: Site, stage: str) -> list[str]:
    act, _ = _prepare(place, stage)
    place.notes.unlink(missing_ok=True)
    ran = ended(place.start(act))
    assert ran.code == 0, ran.text
    return points_in(place.notes)


def _prepare(place: Site, stage: str) -> tuple[Act, str]:
    """A new commit that has passed every stage before this one."""
    commit = place.project.commit(f"Before {stage}")
    for earlier in ORDER[: ORDER.index(stage)]:
        place.project.json(earlier)
    return Act(stage, (stage,)), commit


def _resume(place: Site, act: Act, commit: str) -> None:
    project, log = place.project, f"package-{commit}"
    _views_are_whole(place, act.action, commit)
    left = project.log(log).open_start()
    kinds = project.kinds(log)
    project.json(*act.words)
    again = project.kinds(log)[len(kinds) :]
    stage = act.action
    if left:
        assert again == [f"abandon {stage}", f"start {stage}", f"end {stage}"]
    elif stage == "test" or f"end {stage}" not in kinds:
        assert again == [f"start {stage}", f"end {stage}"]
    else:
        assert again == [], "what is done already is not done again"
    standing = read_standing(project.entries(log))
    assert standing.invalid == ()
    done = (standing.intake, standing.build, standing.accepted, standing.released)
    names = [name for name in ORDER if name != "test"]
    passed = [one.action for one in done if one]
    assert passed == names[: len(passed)]
    assert stage == "test" or stage in passed
    _views_are_whole(place, stage, commit, missing=False)
    place.nothing_is_lost()
    assert project.json("evidence.audit")["outcome"] == "succeeded"


def _views_are_whole(place: Site, stage: str, commit: str, *, missing: bool = True) -> None:
    """Each file of the contract is, byte for byte, some entry's evidence; at the end none is missing."""
    project = place.project
    for name, evidence in VIEWS.get(stage, {}).items():
        path = project.root / ".artifacts" / name.format(commit)
        if missing and not path.exists():
            continue
        data = path.read_bytes()
        json.loads(data)
        said = [
            i for e in project.entries(f"package-{commit}") for i in e.record.evidence if i.name == evidence
        ]
        assert said[-1].sha256 == hashlib.sha256(data).hexdigest()


def _end_orphans(session: int) -> None:
    """End what a killed command has left running: an app on trial, in the command's own session."""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if os.getsid(int(path.name)) == session:
                os.kill(int(path.name), signal.SIGKILL)
