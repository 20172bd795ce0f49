"""A component that is added, gone back over, and given up: what is no part of a package stops nothing of it."""

from collections.abc import Iterator

import pytest

from road.fixtures import living
from road.growing import add, agreed, audited, give_up, releases
from road.project import Project

BOTH = ("staging", "staging worker")


@pytest.mark.later
def test_the_added_component(project: Project):
    """Its first release fails and is gone back over; the next succeeds, and is gone back over by hand."""
    project.deployed()
    first = project.first
    add(project, health="sick")
    row = agreed(project)  # its app never ran, which is no failure of what runs
    assert row["apart"] == [f"worker is not part of {first[:12]} and was left unchanged: no package"]
    assert project.json("smoke")["line"].startswith("4 of 4 checks")

    project.json("test")
    said = project.json("deploy", code=1)
    assert f"rolled back to {first[:12]}" in said["line"] and said["line"].endswith("verified healthy")
    assert (project.runs(), len(project.releases("staging worker"))) == (first, 4)
    row = agreed(project)
    assert row["apart"][0].startswith(f"worker is not part of {first[:12]} and was left unchanged: v4 (")
    assert "already runs" in project.json("rollback", "--to", first)["line"]

    second = project.commit("Mend the worker")
    project.deployed()
    assert [project.runs(app) for app in BOTH] == [second, second]
    assert agreed(project)["apart"] == []

    before = releases(project, BOTH)
    said = project.json("rollback")
    assert "worker is not part of it and was left unchanged" in said["line"]
    assert [project.runs(app) for app in BOTH] == [first, second]
    assert releases(project, BOTH) == [before[0] + 1, before[1]]
    assert agreed(project)["apart"] == [
        f"worker is not part of {first[:12]} and was left unchanged: v{before[1]} ({second[:12]})"
    ]
    assert "already runs" in project.json("rollback", "--to", first)["line"]

    project.json("deploy", "--commit", second)
    assert [project.runs(app) for app in BOTH] == [second, second]
    assert agreed(project)["apart"] == []
    audited(project)


@pytest.fixture
def three(tmp_path, platform) -> Iterator[Project]:
    yield from living(tmp_path / "three", platform, ("worker", "mailer"))


@pytest.mark.slow
def test_of_three_components_one_can_be_given_up(three: Project):
    three.deployed()
    second = give_up(three, "mailer")
    assert three.json("status")["details"]["environments"][0]["state"] == "as recorded"
    three.json("test")
    three.json("deploy")
    apps = ("staging", "staging worker", "staging mailer")
    assert [three.runs(app) for app in apps] == [second, second, three.first]
    third = three.commit("Sick", of="worker", health="sick")
    three.json("test")
    assert "rolled back to" in three.json("deploy", code=1)["line"]
    three.json("rollback")
    assert [three.runs(app) for app in apps] == [three.first] * 3 and third
    agreed(three)
    audited(three)


@pytest.mark.slow
def test_a_component_that_is_declared_no_more_is_left_alone(pair: Project):
    pair.released()
    pair.deployed()
    pair.json("migrate")
    alone = give_up(pair, "worker")
    agreed(pair)
    # An entry about the rest would name a package that was never deployed: no auditor would believe it.
    for words in (
        ("certify",),
        ("complete",),
        ("migrate",),
        ("config", "--unset", "COLOUR", "--why", "grey"),
    ):
        line = pair.json(*words, code=2)["line"]
        assert f"staging runs {pair.first[:12]} with worker, which release.toml declares no more" in line
    audited(pair)
    pair.released()
    pair.deployed()
    assert [pair.runs(app) for app in BOTH] == [alone, pair.first]
    pair.json("complete")
    agreed(pair)
    pair.json("rollback")
    assert [pair.runs(app) for app in BOTH] == [pair.first, pair.first]
    assert "only some components of" in pair.json("complete", code=2)["line"]
    agreed(pair)
    audited(pair)


@pytest.mark.slow
def test_what_is_done_by_hand_to_a_component_that_is_no_part_is_named_and_to_one_that_is_refuses(
    project: Project,
):
    project.deployed()
    first, second = project.first, add(project)
    project.deployed()
    project.json("rollback")
    worker = project.app("staging worker")
    project.api("PATCH", f"/apps/{worker}/config-vars", {"COLOUR": "red"})
    assert ", not left by roadworthy: v5 'Set COLOUR config vars'" in agreed(project)["apart"][0]
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "red"})
    assert project.json("status", code=1)["details"]["environments"][0]["state"] == "drift"
    project.json("adopt", "--why", "the colour is ours")
    assert [project.runs(app) for app in BOTH] == [first, second]
    agreed(project)
    project.json("deploy", "--commit", second)
    assert [project.runs(app) for app in BOTH] == [second, second]
    assert agreed(project)["apart"] == []
    audited(project)


@pytest.mark.slow
def test_a_new_component_is_not_released_over_an_app_of_somebody_else(pair: Project, tmp_path, platform):
    pair.deployed()
    for other in living(tmp_path / "other", platform):
        other.deployed()
        add(other)
        other.change_config((f'"{other.staging}-worker"', f'"{pair.staging}-worker"'))
        # Its token names an entry of `staging`, which is not in this journal.
        assert other.json("status", code=1)["details"]["environments"][0]["state"] == "lost"
        other.json("test")
        assert "holds another #" in other.json("deploy", code=1)["line"]
        assert pair.runs("staging worker") == pair.first


@pytest.mark.slow
def test_maintenance_that_a_first_release_began_ends_with_it(project: Project):
    project.deployed()
    project.json("migrate")
    add(project, health="sick")
    project.json("test")
    assert "verified healthy" in project.json("deploy", "--maintenance", code=1)["line"]
    apps = [project.api("GET", f"/apps/{project.app(app)}") for app in BOTH]
    assert [app["maintenance"] for app in apps] == [False, False]
    agreed(project)
    audited(project)
