"""Between the reading of the facts and the start somebody may have acted: then the plan is of yesterday."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from journal.making import record

from roadworthy.commands import adopt as adoption
from roadworthy.errors import RoadworthyError
from roadworthy.execution import run as release
from roadworthy.journal.entry import Entry
from roadworthy.model import Outcome, Plan, Request, Result


def entries(*kinds: str) -> list[Entry]:
    return [Entry(record(kind), seq, "", "", "", "", f"{seq:064x}") for seq, kind in enumerate(kinds, 1)]


class Read:
    """A log that is read from its end."""

    def __init__(self, *kinds: str) -> None:
        self.entries = entries(*kinds)

    def backwards(self) -> Iterator[Entry]:
        return reversed(self.entries)

    def ask(self, known: int) -> None:
        """The facts were read when the log had `known` entries; its last entry is our start."""
        head = self.entries[known - 1] if known else None
        release.refuse_if_overtaken(self, head, self.entries[-1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kinds", "known"),
    [
        (("start",), 0),
        (("start", "end", "start"), 2),
        (("start", "end", "refused", "note", "start"), 2),  # nobody acted
        (("refused", "start"), 0),
    ],
)
def test_a_start_stands_when_nobody_acted_since_the_facts_were_read(kinds: tuple[str, ...], known: int):
    assert Read(*kinds).ask(known) is None


@pytest.mark.parametrize(
    ("kinds", "known", "by"),
    [
        (("start", "end", "start"), 0, 2),
        (("start", "end", "start", "failed", "start"), 2, 4),
        (("start", "abandon", "start"), 1, 2),
        (("start", "end", "note", "start"), 1, 2),
    ],
)
def test_a_start_that_was_overtaken_is_refused_and_names_who_did(kinds: tuple[str, ...], known: int, by: int):
    with pytest.raises(
        RoadworthyError, match=rf"journal #{by} \(deploy\) was written while this command decided"
    ):
        Read(*kinds).ask(known)


PLAN = Plan(Request("adopt", "prod"), "capecraft", (), None, {}, {"release": 7})
DONE = Result(Outcome.SUCCEEDED, "adopted", plan=PLAN, seq=4)


@pytest.mark.parametrize(
    ("came", "line"),
    [
        (DONE, "adopted as v7, which counts as no verified package: deploy next"),
        ({"seq": 0}, "adopted"),
        ({"plan": None}, "adopted"),
        ({"code": 3}, "adopted"),
    ],
)
def test_adopt_names_the_release_only_when_it_adopted_one(
    monkeypatch: pytest.MonkeyPatch, came: object, line: str
):
    from msgspec.structs import replace

    result = replace(DONE, **came) if isinstance(came, dict) else came
    monkeypatch.setattr(release, "run", lambda *_, **__: result)
    assert adoption.adopt(None, PLAN.request, False).line == line  # type: ignore[arg-type]
