"""Kill -9 while a request is on its way: what the platform does after our death is recorded as what it is."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from road.project import ended, until

from roadworthy.journal.claims import token

from .site import Site, site

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("in-flight") / "site") as made:
        # A platform that is so far away that LATE seconds are within the looks that reconcile takes.
        made.project.change_config(('poll = "50ms"', 'poll = "200ms"'))
        yield made


@pytest.mark.parametrize("action", ["deploy", "rollback"])
def test_a_release_that_comes_after_the_kill_and_before_the_reconcile_is_seen(
    place: Site, action: str
) -> None:
    project = place.project
    before = len(project.releases())
    act = place.prepare(action)
    assert ended(place.start(act, "late:/releases:1")).code == -signal.SIGKILL
    assert len(project.releases()) == before, "the effect came before the kill"
    until(lambda: len(project.releases()) > before)
    said = project.invoke("reconcile", "--json")
    start, settled = project.entries()[-2:]
    assert project.releases()[-1]["description"].endswith(f"({token(start)})")
    assert (said.code, settled.record.kind) == (0, "end"), said.text
    project.json(*act.words)
    place.check(act)


def test_the_rollback_that_is_offered_for_a_release_that_fails_later_goes_to_what_ran_before(
    place: Site,
) -> None:
    project = place.project
    act, before = place.prepare("sick"), len(project.releases())
    assert ended(place.start(act, "late:/releases:1")).code == -signal.SIGKILL
    until(lambda: len(project.releases()) > before)
    said = project.invoke("reconcile", "--json")
    assert (said.code, project.kinds()[-1]) == (1, "failed deploy"), said.text
    assert said.said["next"][0] == "invoke rollback --env staging"
    project.json("rollback")
    place.check(act)


def test_a_migration_that_begins_after_the_kill_is_seen(place: Site) -> None:
    project = place.project
    act, upgrades = place.prepare("migrate"), place.upgrades()
    # The first one-off asks for the revision, the second one migrates.
    assert ended(place.start(act, "late:/dynos:2")).code == -signal.SIGKILL
    assert project.revision() != place.head, "the effect came before the kill"
    until(lambda: project.one_offs() or project.revision() == place.head)
    said = until(lambda: (ran := project.invoke("reconcile", "--json")).code != 4 and ran)
    until(lambda: project.revision() == place.head)
    assert (said.code, project.kinds()[-1]) == (0, "end migrate"), said.text
    project.json(*act.words)
    assert place.upgrades() == upgrades + 1
    place.check(act)
