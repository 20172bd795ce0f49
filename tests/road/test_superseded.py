"""A commit that a newer one overtook ends as superseded: 6, nothing changed, and no failure."""

import pytest

from road.project import KEYS, Project, ended, until
from road.test_api_faults import truly
from roadworthy.pipeline import ship

SHIPS = ("deploy", "ship")


def as_it_is(project: Project, place: str = "staging") -> object:
    return project.kinds(place), project.releases(place), project.calls(place), project.runs(place)


def in_production(project: Project, **mood: object) -> str:
    """A second commit, certified and in production, as the first one was before."""
    project.json("ship")
    project.json("certify")
    project.json("ship", "--env", "prod", "--approval", "WO-1", env=KEYS)
    newer = project.commit("Newer", {"README.md": "More"}, **mood)
    project.json("ship")
    project.json("certify")
    project.json("ship", "--env", "prod", env=KEYS)
    return newer


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "after"), [(KEYS, "succeeded"), ({}, "refused")])
def test_in_production_nothing_older_than_what_runs_is_deployed(project: Project, keys, after):
    newer = in_production(project, changed=True)
    before = as_it_is(project, "prod")
    deployed = [
        e.seq for e in project.entries("prod") if f"{e.record.kind} {e.record.action}" == "end deploy"
    ]
    words = ("--env", "prod", "--commit", project.first)
    for command in SHIPS:
        said = project.json(command, *words, env=keys, code=6)
        assert said["outcome"] == "superseded"
        assert said["line"] == (
            f"{project.first[:12]} is superseded in prod by {newer[:12]}, which runs (journal #{deployed[1]}); "
            "nothing was changed"
        )
        ran = project.invoke(command, *words, env=keys)
        assert (ran.code, ran.out.splitlines()[-1][0] in "–-") == (6, True)
    assert project.json("deploy", *words, "--plan", env=keys, code=6)["line"] == said["line"]
    assert as_it_is(project, "prod") == before
    # Going back on purpose is said as such, and is asked every guard.
    back = project.json("rollback", "--env", "prod", "--to", project.first, env=keys, code=0 if keys else 2)
    assert back["outcome"] == after


@pytest.mark.slow
def test_a_decision_on_a_change_that_needed_no_deployment_overtakes_as_well(project: Project):
    in_production(project)
    late = project.commit("Explain", {"docs/one.md": "one"})
    project.json("ship", "--env", "prod", env=KEYS)
    assert project.json("decide", "--env", "prod")["line"].startswith("YES")
    newer = project.commit("Explain more", {"docs/two.md": "two"})
    project.json("ship", "--env", "prod", env=KEYS)
    assert (project.runs("prod"), project.kinds("prod")[-1]) == (project.first, "note decide")
    said = project.json("ship", "--env", "prod", "--commit", late, env=KEYS, code=6)
    assert f"superseded in prod by {newer[:12]}, which was decided on (journal #" in said["line"]
    decided = project.json("decide", "--env", "prod", "--commit", late, code=1)
    assert "DEPLOY_RELEASE_PACKAGE_FAILED" in decided["line"], "a YES would be another answer than the ship's"


@pytest.mark.slow
def test_what_runs_beneath_a_newer_commit_that_changed_nothing_is_not_decided_on_again(project: Project):
    """Nothing differs but a document, and yet it is the newer one that runs."""
    newer = in_production(project)
    project.json("deploy", "--env", "prod", env=KEYS)
    project.json("complete", "--env", "prod", env=KEYS)
    words = ("--env", "prod", "--commit", project.first)
    assert project.runs("prod") == newer
    assert project.json("decide", "--env", "prod")["line"].startswith("YES")
    assert project.json("ship", *words, env=KEYS, code=6)
    assert project.json("decide", *words, code=1)


@pytest.mark.slow
def test_a_replay_takes_an_older_commit_on_purpose(project: Project):
    in_production(project, changed=True)
    project.json("replay", "--sha", project.first)
    project.json("certify")
    project.json("replay", "--env", "prod", "--sha", project.first, env=KEYS)
    assert project.runs("prod") == project.first


@pytest.mark.later(1)
@pytest.mark.parametrize("command", SHIPS)
def test_elsewhere_a_commit_is_overtaken_by_what_was_deployed_since_it_was_taken_in(
    project: Project, command: str
):
    project.released()
    newer = project.commit("Newer")
    project.deployed()
    before = as_it_is(project)
    said = project.json(command, "--commit", project.first, code=6)
    assert f"superseded in staging by {newer[:12]}" in said["line"]
    assert as_it_is(project) == before


def test_elsewhere_a_commit_that_is_taken_in_later_has_its_turn(project: Project):
    """A branch shares staging with others: that its commit is older than what is tried there says nothing."""
    project.commit("Newer")
    project.deployed()
    project.released(project.first)
    project.json("deploy", "--commit", project.first)
    truly(project, project.first)


def run(number: int, attempt: int) -> dict[str, str]:
    """What a job of a GitHub run says of itself."""
    return {"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": str(number), "GITHUB_RUN_ATTEMPT": str(attempt)}


@pytest.mark.later
def test_a_run_that_is_started_again_has_no_new_turn(project: Project):
    """ "Re-run all jobs" of an older commit takes it in again, and must not put it over a newer one."""
    words = ("--commit", project.first)
    project.json("intake", env=run(7, 1))
    newer = project.commit("Newer")
    project.deployed()
    taken_in = len(project.entries(f"package-{project.first}"))
    project.json("intake", *words, env=run(7, 2))
    assert len(project.entries(f"package-{project.first}")) == taken_in + 2, "its scope is another by now"
    project.json("test", *words)
    for command in SHIPS:
        said = project.json(command, *words, env=run(7, 2), code=6)
        assert f"superseded in staging by {newer[:12]}" in said["line"]
    project.json("intake", *words)  # a person's, as another run's, is a turn of its own
    assert len(project.entries(f"package-{project.first}")) > taken_in + 4
    project.json("deploy", *words, env=run(8, 1))
    truly(project, project.first)


@pytest.mark.later
def test_a_commit_beside_what_runs_is_not_older(project: Project):
    project.released()
    project.commit("Newer")
    project.deployed()
    project.git("checkout", "-q", "-b", "aside", project.first)
    aside = project.commit("Aside")
    project.deployed(aside)
    truly(project, aside)


@pytest.mark.later
def test_what_was_rolled_back_overtook_nothing(project: Project):
    project.deployed()
    between = project.commit("Between")
    project.released()
    project.commit("Newest")
    project.deployed()
    project.json("rollback", "--to", project.first)
    project.json("deploy", "--commit", between)
    truly(project, between)


@pytest.mark.later
def test_where_git_cannot_tell_nothing_is_superseded(project: Project):
    """A clone that was cut off does not know what is older. In production a guard refuses it then."""
    project.released()
    newer = project.commit("Newer")
    project.deployed()
    assert project.json("deploy", "--commit", project.first, "--plan", code=6)
    (project.root / ".git" / "shallow").write_text(f"{newer}\n")
    project.json("deploy", "--commit", project.first)
    assert project.runs() == project.first


@pytest.mark.slow
@pytest.mark.parametrize("command", SHIPS)
def test_of_two_that_wait_the_newest_wins_whoever_comes_first(project: Project, command: str):
    """The older one was decided on before; by its turn a newer one runs, and it does not undo that."""
    project.released()
    newer = project.commit("Newer")
    project.released()
    project.faults({"kind": "delay", "seconds": 2, "method": "POST", "path": "/slugs"})
    first = project.start(command, "--json", "--commit", newer)
    until(lambda: project.kinds() == ["start deploy"], within=30)
    late = project.start(command, "--json", "--commit", project.first, "--wait", "30s")
    assert ended(first).code == 0
    ran = ended(late)
    assert (ran.code, ran.said["outcome"]) == (6, "superseded"), ran.text
    truly(project, newer)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["_migrate", "_verified", "_completed"])
def test_a_ship_that_is_overtaken_between_its_stages_is_superseded(
    project: Project, monkeypatch: pytest.MonkeyPatch, stage: str
):
    """What it deployed was there, and it must not call the newer one its own."""
    newer = project.commit("Newer")
    project.json("test")
    honest = getattr(ship, stage)

    def late(*given: object) -> object:
        monkeypatch.setattr(ship, stage, honest)
        project.json("deploy")
        return honest(*given)

    monkeypatch.setattr(ship, stage, late)
    said = project.json("ship", "--commit", project.first, code=6)
    assert f"{project.first[:12]} is superseded in staging by {newer[:12]}, which runs" in said["line"]
    assert f"{project.staging} runs {newer[:12]}" in said["line"]
    assert "end complete" not in project.kinds()
    assert project.json("decide", "--commit", project.first, code=1)
    truly(project, newer)
