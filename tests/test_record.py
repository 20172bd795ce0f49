"""What entries say of a plan, and by what a release is recognised as the work of a start."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from journal.making import record as written
from msgspec.structs import replace

from roadworthy import record
from roadworthy.journal.claims import claim, components_of, of_component
from roadworthy.journal.entry import Entry
from roadworthy.model import Claim, Observed, Package, Plan, PlatformRelease, Receipt, Request, Usual, Watch
from roadworthy.platforms.heroku.releases import recognised
from roadworthy.platforms.mark import made_by

AT = datetime(2030, 1, 1, tzinfo=UTC)
PACKAGE = Package("c" * 40, "d" * 64, 1000)
WEB, WORKER = replace(PACKAGE, component="web"), replace(PACKAGE, component="worker", digest="e" * 64)
PAIR = replace(PACKAGE, parts=(WEB, WORKER))


def release(version: int, description: str = "", status: str = "succeeded") -> PlatformRelease:
    return PlatformRelease(
        version, status, False, "", description, "", AT, f"v{version}", **recognised(description)
    )


def start(action: str = "deploy", **details: object) -> Entry:
    return Entry(written("start", action=action, **details), 4, "", "", "", "", "ab" * 32)


def plan(package: Package = PACKAGE) -> Plan:
    return Plan(Request("deploy", "prod"), "capecraft", (), package, {}, record.after(package))


def receipt(component: str, number: int) -> Receipt:
    return replace(Receipt("release", 5), release=number, artifact=f"slug-{number}", component=component)


TOKEN = f"roadworthy prod#4 {'ab' * 6}"


def test_a_slug_is_recognised_by_the_token_in_its_description():
    claimed = claim(start(**{"from": {"newest": 7}, "to": {}}))
    assert claimed == Claim(TOKEN, 7)
    assert made_by(claimed, release(3, f"Deploy ({TOKEN})"))
    assert not made_by(claimed, release(8, f"Deploy ({TOKEN}) again"))
    assert not made_by(claimed, release(8, f"Deploy ({TOKEN[:-1]})"))


def test_an_image_is_recognised_by_its_digest_in_a_release_that_came_later():
    claimed = claim(start(**{"from": {"newest": 7}, "to": {"config": f"sha256:{'12' * 32}"}}))
    assert claimed == Claim(TOKEN, 7, "12" * 6)
    assert made_by(claimed, release(8, f"Deployed web ({'12' * 6})"))
    assert not made_by(claimed, release(7, f"Deployed web ({'12' * 6})")), "it was there before"
    assert not made_by(claimed, release(8, f"Deployed web ({'13' * 6})"))
    assert not made_by(claimed, release(8, f"Deploy ({TOKEN})"))


def test_a_change_of_config_vars_is_recognised_by_its_marker_in_a_release_that_came_later():
    claimed = claim(start("config", **{"from": {"newest": 7}, "to": {}}))
    assert claimed == Claim(TOKEN, 7, marked=True)
    assert made_by(claimed, release(8, "Set COLOUR, ROADWORTHY_CONFIG config vars"))
    assert not made_by(claimed, release(7, "Set COLOUR, ROADWORTHY_CONFIG config vars")), "the one before it"
    assert not made_by(claimed, release(8, "Set COLOUR config vars"))
    assert not made_by(claimed, release(8, "Set NOT_ROADWORTHY_CONFIG config vars"))


def test_a_component_is_claimed_by_what_the_start_says_of_it():
    parts = {
        "from": {"newest": 9, "components": [{"name": "web", "newest": 9}, {"name": "worker", "newest": 3}]},
        "to": {"components": [{"name": "web"}, {"name": "worker", "config": f"sha256:{'12' * 32}"}]},
    }
    assert claim(start(**parts), "worker") == Claim(TOKEN, 3, "12" * 6)
    assert claim(start(**parts), "web") == Claim(TOKEN, 9)
    assert components_of(start(**parts)) == ("web", "worker")
    assert of_component(parts["from"], "worker") == {"name": "worker", "newest": 3}
    assert of_component(parts["from"], "gone") == {}
    assert of_component(parts["from"], "") == parts["from"]
    assert of_component({"newest": 2}, "worker") == {"newest": 2}, "there was one component then"


@pytest.mark.parametrize("odd", [None, "x", 3, {"components": "x"}, {"components": [3, {"name": 4}]}])
def test_what_another_version_wrote_is_read_as_saying_nothing(odd: object):
    assert components_of(start(**{"from": odd, "to": odd})) == ()


def observed(*releases: PlatformRelease, **parts: Observed) -> Observed:
    return Observed("", False, releases, (), PACKAGE.digest, PACKAGE.commit, parts)


def test_what_ran_before_is_the_release_that_runs_and_the_newest_that_may_have_failed():
    seen = observed(release(9, status="failed"), release(7))
    told = {"commit": PACKAGE.commit, "digest": PACKAGE.digest, "release": 7, "newest": 9}
    assert record.before(seen) == told
    assert (record.numbers(seen), record.numbers_before(told)) == ({"": 7}, {"": 7})
    nothing = {**told, "release": 0, "newest": 0}
    assert record.before(observed()) == nothing
    assert record.numbers(observed()) == {"": 0}
    two = observed(release(7), web=observed(release(7)), worker=observed())
    named = [{"name": "web", **told, "newest": 7}, {"name": "worker", **nothing}]
    assert record.before(two) == {**told, "newest": 7, "components": named}
    assert record.numbers(two) == record.numbers_before(record.before(two)) == {"web": 7, "worker": 0}


def test_what_was_released_is_what_was_to_run_with_its_release():
    to = {"commit": PACKAGE.commit, "digest": PACKAGE.digest, "size": 1000}
    assert record.released(plan(), [receipt("", 0)]) == {}
    assert record.released(plan(), [receipt("", 8)]) == {**to, "release": 8, "slug": "slug-8"}
    assert (record.releases(plan(), [receipt("", 8)]), record.releases(plan(), [])) == ({"": 8}, {"": 0})
    assert [record.shown({"release": 8}), record.shown({}), record.shown({"release": 0})] == ["v8", "", ""]


def test_of_several_components_what_was_released_and_what_was_left_are_told_of_each():
    some = record.released(plan(PAIR), [receipt("worker", 4)])
    assert [(one["name"], one.get("release")) for one in some["components"]] == [("web", None), ("worker", 4)]
    assert (some["release"], some["slug"]) == (0, "")
    both = record.released(plan(PAIR), [receipt("worker", 4), receipt("web", 8)])
    assert (both["release"], both["slug"]) == (8, "slug-8")
    assert record.releases(plan(PAIR), [receipt("worker", 4)]) == {"web": 0, "worker": 4}
    assert record.shown(both) == "web v8, worker v4"
    assert record.shown(some) == "worker v4"


def test_an_image_is_told_with_its_reference():
    image = replace(PACKAGE, kind="image", ref="registry.example.com/web@sha256:1", config="sha256:2")
    assert record.after(image) == {
        "commit": PACKAGE.commit,
        "digest": PACKAGE.digest,
        "size": 1000,
        "ref": image.ref,
        "config": "sha256:2",
    }
    assert "ref" not in record.after(PACKAGE)


@pytest.mark.parametrize("package", [PACKAGE, PAIR, None])
@pytest.mark.parametrize("watch", [None, Watch(2000, 1, 2, 50, {"health": Usual(3, 0, 12)})])
def test_the_plan_of_a_start_is_read_back_as_it_was_recorded(package: Package | None, watch: Watch | None):
    request = Request("deploy", "prod", "c" * 40, "WO-1", "because", approval="REF", maintenance=True)
    made = Plan(
        request if package else replace(request, commit=""),
        "capecraft",
        (),
        package,
        {"release": 3, "newest": 4},
        record.after(package) if package else {"revision": "0002"},
        pending=("0002", "0003"),
        watch=watch,
    )
    world: Any = SimpleNamespace(target="sandbox")
    entry = Entry(
        record.record(world, "start", "deploy", made, record.said(made)), 4, "", "", "", "", "ab" * 32
    )
    assert record.recorded(entry) == made
