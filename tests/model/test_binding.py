"""The model's journals and platforms, judged by the rules of the real tool: both must say the same.

Each journal that the model reaches becomes real entries; chain, history, drift and claims are asked about them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from roadworthy.errors import OutcomeUnknown
from roadworthy.facts.drift import drift
from roadworthy.facts.history import read_history
from roadworthy.facts.running import running as really_running
from roadworthy.journal import chain
from roadworthy.journal.claims import claim, token
from roadworthy.journal.entry import NO_PREV, Entry, Record
from roadworthy.journal.index import Settled as Row
from roadworthy.journal.index import settled_by
from roadworthy.journal.lock import HeldBy
from roadworthy.model import History, Observed, PlatformRelease
from roadworthy.platforms.mark import made_by

from . import world as model
from .exploring import explore
from .families import FAMILIES, NO_FENCE
from .steps import Model
from .world import Journal, Release, Start, World

AT = datetime(2030, 1, 1, tzinfo=UTC)
QUICK = "adopt"


def digest_of(package: str) -> str:
    return hashlib.sha256(package.encode()).hexdigest()


def slug_of(package: str, *, image: bool) -> str:
    return digest_of(package)[:12] if image else f"slug-{package}"


@cache
def entry_of(journal: Journal, image: bool) -> Entry:
    """The last entry of a journal, as the tool would have written it."""
    told, seq = journal[-1], len(journal)
    before = entry_of(journal[:-1], image) if seq > 1 else None
    start = told if isinstance(told, Start) else model.start_of(journal, told.start)
    to: dict[str, object] = {"commit": digest_of(start.package)[:40], "size": 1}
    details: dict[str, object] = {"to": to}
    if isinstance(told, Start):
        details["from"] = {"newest": told.newest[0]}
        if image and start.action in ("deploy", "rollback"):
            to["config"] = f"sha256:{digest_of(start.package)}"
    else:
        details["settles"] = told.start
        if told.releases and told.releases[0]:
            to |= {"release": told.releases[0], "slug": slug_of(start.package, image=image)}
        if told.schema:
            details["revision"] = f"000{told.schema}"
        if told.deployment:
            details["deployment"] = told.deployment
    subject, target = f"slug:{to['commit']}", "sandbox"
    record = Record(
        told.kind, start.action, start.action, "staging", target, subject, digest_of(start.package), details
    )
    name = hashlib.sha256(repr((journal, image)).encode()).hexdigest()
    at = f"2030-01-01T00:00:{seq:02}.000000Z"
    return Entry(record, seq, before.sha256 if before else NO_PREV, at, "0" * 32, "SHA256:x", name)


@cache
def state_of(journal: Journal, image: bool) -> chain.State:
    """Where the real chain says that this log stands. Raises JournalError where it may not stand so."""
    before = state_of(journal[:-1], image) if len(journal) > 1 else chain.State()
    return chain.follow(before, entry_of(journal, image))


def rows_of(journal: Journal, image: bool) -> list[Row]:
    return [
        settled_by(entry_of(journal[:seq], image), entry_of(journal[: told.start], image))
        for seq, told in enumerate(journal, 1)
        if isinstance(told, model.Settled)
    ]


def history_of(journal: Journal, image: bool) -> History:
    begun = model.open_start(journal)
    start = entry_of(journal[:begun], image) if begun else None
    return read_history(rows_of(journal, image), Path("/nowhere"), start)


def marked(made: Release, journal: Journal, image: bool) -> dict[str, Any]:
    """What a driver tells of the mark that the start left on its release: of an image it is none."""
    if made.made_by == "config":
        return {"sets_mark": True}
    if made.made_by == "image":
        return {"deploys": digest_of(made.package)[:12]}
    return {"mark": token(entry_of(journal[: made.start], image))}


def observed_of(world: World, image: bool) -> Observed:
    releases = world.platform.apps[0]
    seen = tuple(
        PlatformRelease(
            number,
            "succeeded",
            number == len(releases),
            slug_of(made.package, image=image),
            "",
            "a@example.org",
            AT,
            name=f"v{number}",
            **marked(made, world.journal, image),
        )
        for number, made in reversed([*enumerate(releases, 1)])
    )
    return Observed("", False, seen, (), digest_of(releases[-1].package))


def worlds(family: str) -> Iterable[World]:
    """Each journal with each platform that it can stand beside, once."""
    found = explore(Model(NO_FENCE, FAMILIES[family])).worlds
    return {(one.journal, one.platform): one for one in found}.values()


FAMILIES_OF_ONE_APP = [
    "release",
    "unlock",
    "config",
    "image",
    "migrate",
    "complete",
    QUICK,
    "false death",
    "contract",
]


@pytest.mark.parametrize(
    "family",
    [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in FAMILIES_OF_ONE_APP],
)
def test_the_real_rules_say_of_every_world_what_the_model_says(family: str) -> None:
    image = FAMILIES[family].image
    seen: set[Journal] = set()
    drifts = 0
    for world in worlds(family):
        if world.journal not in seen:
            seen.add(world.journal)
            judge_journal(world.journal, image)
        history, observed = history_of(world.journal, image), observed_of(world, image)
        real = [one for one in drift("staging", history, observed) if one.what == "release"]
        assert bool(real) == model.drifted(world.journal, world.platform), (world, real)
        drifts += bool(real)
        judge_claims(world, observed, image)
    assert len(seen) > 10 and drifts, "nothing was compared"


def judge_journal(journal: Journal, image: bool) -> None:
    """The chain admits it and refuses a second start and a late end; open start and history are the same."""
    state, begun = state_of(journal, image), model.open_start(journal)
    assert (state.open.seq if state.open else 0) == begun
    another = entry_of(journal[:1], image).record
    if begun:
        with pytest.raises(HeldBy):
            chain.admit(state, another)
    else:
        chain.admit(state, another)
        last = next(one for one in reversed(journal) if isinstance(one, model.Settled))
        again = entry_of(journal[: journal.index(last) + 1], image).record
        with pytest.raises(OutcomeUnknown):
            chain.admit(state, again)
    history, ran = history_of(journal, image), model.running(journal)
    assert history.running
    assert (history.running.package.digest, history.running.release) == (
        digest_of(ran.package),
        ran.releases[0],
    )
    assert int(history.revision or 0) == model.recorded_schema(journal)
    assert tuple(number for number, _ in history.known) == model.known(journal, 0)
    claimed = [entry_of(journal[:seq], image) for seq in model.claims(journal)]
    assert {one.token for one in history.claims} == {claim(one).token for one in claimed}
    found = really_running(rows_of(journal, image))
    assert found and found.complete == model.complete(journal)


def judge_claims(world: World, observed: Observed, image: bool) -> None:
    """A release is recognised as that of the start which made it, and a slug's as no other's."""
    for seq in model.claims(world.journal):
        start = model.start_of(world.journal, seq)
        if start.action not in ("deploy", "rollback"):
            continue
        claimed = claim(entry_of(world.journal[:seq], image))
        real = [one.order for one in observed.releases if made_by(claimed, one)]
        number = model.release_of(world, seq, 0, image=image)
        if number > start.newest[0]:  # an image that ran before may run on without a new release
            assert number in real, (world, real)
        elif not image:
            assert real == [], (world, real)
