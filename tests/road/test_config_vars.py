"""`config`: names in the journal and values nowhere; recognised, verified, and put back when it does harm."""

import signal

import pytest

from road.project import KEYS, Project, ended, until
from roadworthy.platforms.mark import MARKER

CANARY = "canary-7f3a9c"


def config_vars(project: Project, place: str = "staging") -> dict[str, str]:
    return project.api("GET", f"/apps/{project.app(place)}/config-vars")


def change(project: Project, *words: str, code: int = 0, **values: str) -> dict:
    return project.json("config", *words, env=values, code=code)


def test_a_change_is_one_release_of_what_runs_and_is_verified(project: Project):
    project.deployed()
    before = project.releases()
    said = change(project, "--set", "COLOUR", "--why", "red sells", COLOUR=CANARY)
    assert project.get("/env")[1]["COLOUR"] == CANARY
    assert len(project.releases()) == len(before) + 1
    start, end = project.entries()[-2:]
    assert [e.record.action for e in (start, end)] == ["config", "config"]
    assert end.record.details["to"]["vars"] == {"set": ["COLOUR"], "unset": []}
    assert end.record.details["to"]["release"] == project.releases()[-1]["version"]
    assert config_vars(project)[MARKER].startswith(f"roadworthy staging#{start.seq} ")
    assert said["plan"]["package"]["digest"] == end.record.digest == project.entries()[1].record.digest
    assert project.json("status")["details"]["environments"][0]["state"] == "as recorded"
    assert project.json("verify")["details"]["differences"] == []
    assert project.json("evidence.audit")["code"] == 0
    assert "already runs" in project.json("deploy")["line"]
    told = project.json("why")["details"]["config"]
    assert [(one["set"], one["unset"], one["why"]) for one in told] == [(["COLOUR"], [], "red sells")]
    assert project.json("why", "--at", project.entries()[1].at)["details"]["config"] == []


@pytest.mark.slow
def test_a_plan_names_what_would_change_and_changes_nothing(project: Project):
    project.deployed()
    before = project.releases(), project.entries()
    ran = project.invoke("config", "--set", "COLOUR", "--plan", env={"COLOUR": CANARY})
    assert ran.code == 0 and "set COLOUR" in ran.text and CANARY not in ran.text
    assert (project.releases(), project.entries()) == before


@pytest.mark.slow
def test_what_is_so_already_changes_nothing(project: Project):
    project.deployed()
    change(project, "--set", "COLOUR", COLOUR="red")
    before = project.releases(), project.entries()
    assert (
        "these values already" in change(project, "--set", "COLOUR", "--unset", "OTHER", COLOUR="red")["line"]
    )
    assert (project.releases(), project.entries()) == before
    change(project, "--unset", "COLOUR")
    assert "COLOUR" not in config_vars(project)


@pytest.mark.later(1)
@pytest.mark.parametrize("how", [{"boot": "die"}, {"health": "sick"}])
def test_one_that_does_harm_is_put_back(project: Project, how):
    """The app looks at its config: with the colour black it does not do well."""
    web = (project.root / "app/web.py").read_text()
    code = f"if os.environ.get('COLOUR') == 'black':\n    mood = lambda: {how!r}\n\nmain()\n"
    project.commit("Hate black", {"app/web.py": web.removesuffix("main()\n") + code})
    project.deployed()
    change(project, "--set", "COLOUR", COLOUR="red")
    said = change(project, "--set", "COLOUR", "--set", "SIZE", code=1, COLOUR="black", SIZE="9")
    assert "restored the config vars" in said["line"], said
    assert (config_vars(project)["COLOUR"], "SIZE" in config_vars(project)) == ("red", False)
    assert project.kinds()[-4:] == ["start config", "failed config", "start config", "end config"]
    assert project.json("verify")["details"]["differences"] == []
    assert project.json("status")["code"] == 0


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "nothing to change"),
        (("--set", "COLOUR=red"), "use --set COLOUR, with COLOUR in the environment"),
        (("--set", "COLOUR"), "COLOUR has no value"),
        (("--set", "A-B"), "not a config var name"),
        (("--unset", "HEROKU_X"), "not a config var name"),
        (("--unset", MARKER), "not a config var name"),
        (("--unset", "ALLOW_PROD"), "not a config var name"),
        (("--unset", "A", "--unset", "A"), "A is named twice"),
        (("--unset", "A", "--component", "nobody"), "unknown component 'nobody'"),
    ],
)
def test_a_slip_is_one_line_and_changes_nothing(untouched: Project, words, line):
    before = untouched.calls()
    said = untouched.json("config", *words, code=2)
    assert line in said["line"] and "\n" not in said["line"]
    assert "red" not in said["line"]
    assert untouched.calls() == before


@pytest.mark.slow
def test_nothing_is_changed_where_nothing_runs(project: Project):
    assert "nothing was ever deployed" in change(project, "--set", "COLOUR", code=2, COLOUR="red")["line"]


@pytest.mark.slow
def test_production_asks_for_both_keys(project: Project):
    project.deployed()
    project.json("migrate")
    project.json("certify")
    project.deployed(env="prod")
    project.json("migrate", "--env", "prod", "--approval", "CR-1", env=KEYS)
    words = ("config", "--env", "prod", "--set", "COLOUR")
    assert project.json(*words, env={"COLOUR": "red"}, code=2)["line"].startswith(
        "refused by production_is_unlocked"
    )
    assert "deploy_guard" in project.json(*words, env={"COLOUR": "red", "ALLOW_PROD": "1"}, code=42)["line"]
    project.json(*words, env={"COLOUR": "red", **KEYS})
    assert project.get("/env", "prod")[1]["COLOUR"] == "red"
    # The deployment is the same one, and can be completed.
    project.json("complete", "--env", "prod", env=KEYS)


@pytest.mark.slow
@pytest.mark.parametrize("value", ["1", "true", "00", ""])
def test_the_app_is_never_told_to_migrate_when_it_starts(project: Project, value):
    project.deployed()
    name = "RUN_DB_MIGRATIONS_ON_STARTUP"
    said = change(project, "--set", name, code=3, **{name: value})
    assert "startup_runs_no_migrations" in said["line"]
    change(project, "--set", name, **{name: "0"})
    assert "startup_runs_no_migrations" in change(project, "--unset", name, code=3)["line"]


@pytest.mark.slow
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_is_looked_up_and_the_change_made_once(project: Project, after):
    project.deployed()
    before = len(project.releases())
    project.faults({"kind": "reset", "method": "PATCH", "path": "/config-vars", "after": after})
    ran = project.process("config", "--set", "COLOUR", env={"COLOUR": "red"})
    assert ran.code == (0 if after else 4), ran.text
    assert len(project.releases()) == before + after
    if not after:
        assert "nothing was changed" in project.json("reconcile")["reasons"][0]
        change(project, "--set", "COLOUR", COLOUR="red")
    assert project.json("verify")["details"]["differences"] == []


@pytest.mark.slow
@pytest.mark.parametrize("after", [True, False])
def test_a_kill_is_settled_by_looking(project: Project, after):
    project.deployed()
    before = len(project.releases())
    project.faults({"kind": "hang", "method": "PATCH", "path": "/config-vars", "after": after})
    process = project.start("config", "--set", "COLOUR", "--json", env={"COLOUR": "red"})
    until(lambda: not project.armed() and len(project.releases()) == before + after)
    process.kill()
    assert ended(process).code == -signal.SIGKILL
    assert ("changed nothing" in project.json("reconcile")["line"]) == (not after)
    assert project.kinds()[-1] == ("end config" if after else "failed config")
    assert project.json("status")["code"] == 0
    assert project.json("verify")["details"]["differences"] == []


@pytest.mark.slow
def test_somebody_elses_change_is_not_taken_for_ours(project: Project):
    project.deployed()
    project.faults({"kind": "hang", "method": "PATCH", "path": "/config-vars"})
    process = project.start("config", "--set", "COLOUR", "--json", env={"COLOUR": "red"})
    until(lambda: not project.armed())
    process.kill()
    ended(process)
    project.faults()
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"COLOUR": "red"})
    assert "nothing was changed" in project.json("reconcile")["reasons"][0]
    assert project.json("status", code=1)["details"]["environments"][0]["state"] == "drift"


@pytest.mark.slow
def test_a_component_has_config_vars_of_its_own(pair: Project):
    pair.deployed()
    change(pair, "--component", "worker", "--set", "COLOUR", COLOUR="red")
    assert "COLOUR" not in config_vars(pair)
    assert config_vars(pair, "staging worker")["COLOUR"] == "red"
    assert pair.json("status")["details"]["environments"][0]["state"] == "as recorded"
    assert pair.json("verify")["details"]["differences"] == []
    change(pair, "--set", "COLOUR", COLOUR="blue")
    assert config_vars(pair)["COLOUR"] == "blue"
    assert pair.json("verify")["details"]["differences"] == []
    pair.commit("Second")
    pair.json("test")
    pair.json("deploy")
    assert pair.json("evidence.audit")["code"] == 0
