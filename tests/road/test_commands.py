"""What every command promises: one JSON object, one line for a mistake, the right exit code, nothing half-done."""

import json
import subprocess
import sys

import pytest

from road.project import KEYS, Project, ended
from roadworthy.sandbox import control

ON_AN_ENVIRONMENT = (
    "deploy", "migrate", "rollback", "certify", "adopt", "ship", "verify", "smoke", "reconcile", "history",
    "guards.explain", "lock.status", "lock.unlock",
)  # fmt: skip
READS_PLATFORM = ("deploy", "migrate", "rollback", "certify", "smoke", "guards.explain")


@pytest.mark.parametrize("command", ON_AN_ENVIRONMENT)
@pytest.mark.parametrize(
    "env", ["production", "", "../prod", "staging; true", "prod\nstaging", "sta ging", "'"]
)
def test_an_unknown_environment_is_one_line_that_names_the_known_ones(untouched: Project, command, env):
    ran = untouched.invoke(command, f"--env={env}", "--json")
    assert ran.code == ran.said["code"] == 2, ran.text
    assert "unknown environment" in ran.said["line"]
    assert "\n" not in ran.said["line"]
    assert untouched.staging in ran.said["line"]


@pytest.mark.later
def test_every_command_says_exactly_one_json_object(project: Project):
    project.json("sandbox.up")
    project.json("sandbox.status")
    project.json("sandbox.faults")
    project.json("intake")
    project.json("build")
    project.json("test")
    project.json("deploy")
    project.json("migrate")
    project.json("verify")
    project.json("smoke")
    project.json("certify")
    project.json("accept")
    project.json("release")
    project.json("deploy", "--env", "prod", env=KEYS)
    project.json("complete")
    project.json("decide")
    project.json("rollback", code=2)
    project.json("reconcile")
    project.json("status")
    assert project.json("history")["details"]["entries"][0]["kind"] == "end"
    project.json("guards.explain", "--env", "prod")
    project.json("lock.status")
    project.json("lock.unlock", code=2)
    project.json("evidence.audit")
    project.json("ship")


@pytest.mark.parametrize(("action", "why"), [("rollback", "roll back to"), ("migrate", "ever deployed")])
def test_rules_are_explained_also_where_nothing_runs_that_they_could_judge(project: Project, action, why):
    shown = project.invoke("guards.explain", "--action", action)
    assert shown.code == 0, shown
    assert "none evaluated" in shown.out.splitlines()[-1]
    assert why in shown.out.splitlines()[-1]
    assert shown.out.count("  rule   ") >= 5
    assert project.json(action, code=2)["line"] in shown.out


@pytest.mark.parametrize("command", READS_PLATFORM)
def test_without_a_sandbox_every_command_says_how_to_start_it(project: Project, command):
    (project.root / ".release" / "sandbox").unlink()
    said = project.json(command, code=2)
    assert "invoke sandbox.up" in said["line"] or "nothing was ever deployed" in said["line"]
    assert project.entries() == []


@pytest.mark.parametrize("commit", ["abc", "HEAD~9", "g" * 40, "0" * 40, "v1; true", "-q"])
def test_a_commit_that_is_not_a_full_and_known_one_is_refused(untouched: Project, commit):
    ran = untouched.invoke("deploy", f"--commit={commit}", "--json")
    assert ran.code == 2, ran.text
    assert "\n" not in ran.said["line"]


@pytest.mark.parametrize("option", ["--why", "--change"])
@pytest.mark.parametrize("text", ["a\nb", "x" * 501, "\x1b[2J"])
def test_what_a_person_says_is_one_sane_line(untouched: Project, option, text):
    said = untouched.json("deploy", f"{option}={text}", code=2)
    assert option in said["line"]


def test_a_wrong_key_is_refused_by_the_platform_and_never_shown(project: Project, tmp_path):
    here = control.find(project.sandbox)
    assert here is not None
    fake = tmp_path / "other"
    fake.mkdir()
    for name in ("server.lock", "server.json"):
        (fake / name).hardlink_to(project.sandbox / name)
    (fake / "api-key").write_text("not-the-key")
    link = project.root / ".release" / "sandbox"
    link.unlink()
    link.symlink_to(fake)
    ran = project.invoke("deploy", "--json")
    assert ran.code == 2, ran.text
    assert "refuses the API key" in ran.said["line"]
    assert "not-the-key" not in ran.text
    assert here.api_key not in ran.text


def test_no_secret_is_in_the_output_or_the_journal_of_a_release(project: Project):
    here = control.find(project.sandbox)
    assert here is not None
    ran = project.process("ship", "--log")
    assert ran.code == 0, ran.text
    assert here.api_key not in ran.text
    journal = project.root / ".release" / "journal"
    for path in journal.rglob("*"):
        if path.is_file():
            assert here.api_key.encode() not in path.read_bytes(), path


def test_keys_that_lie_in_a_file_refuse_production(project: Project):
    (project.root / ".env").write_text("ALLOW_PROD=1\n")
    said = project.json("deploy", "--env", "prod", env=KEYS, code=2)
    assert ".env" in next(r for r in said["reasons"] if r.startswith("production_is_unlocked"))


@pytest.mark.slow
def test_the_exit_code_reaches_the_shell_and_the_reason_is_on_the_last_line(project: Project):
    ran = project.process("deploy", "--env", "prod", env={"ALLOW_PROD": "1"})
    assert ran.code == 42
    assert "deploy_guard" in ran.err.splitlines()[-1]
    ran = project.process("deploy", "--env", "prod", "--json")
    assert (ran.code, ran.said["code"]) == (2, 2)


def test_a_journal_that_cannot_be_written_stops_before_anything_is_done(project: Project):
    project.json("test")
    place = project.root / ".release" / "journal" / "sandbox"
    (place / "staging").write_text("in the way")
    ran = project.invoke("deploy", "--json")
    assert ran.code != 0
    assert ran.said["line"]
    assert project.calls() == []


def test_a_reader_that_goes_away_does_not_end_a_release_half_way(project: Project):
    project.json("test")
    with project.start("deploy") as deploy:
        assert deploy.stdout is not None
        deploy.stdout.close()
        deploy.wait(timeout=30)
    assert project.kinds() == ["start deploy", "end deploy"]
    assert deploy.returncode == 0


def test_a_shallow_clone_and_a_detached_head_deploy_what_they_name(project: Project, tmp_path):
    project.git("checkout", "-q", "--detach")
    project.deployed()
    assert project.runs() == project.first


def test_a_folder_without_git_is_one_line(project: Project):
    (project.root / ".git").rename(project.root / ".nogit")
    said = project.json("deploy", code=2)
    assert "git" in said["line"]
    assert "\n" not in said["line"]


def test_a_mistake_in_release_toml_names_its_line(project: Project):
    path = project.root / "release.toml"
    path.write_text(path.read_text().replace('http = "1s"', 'htpp = "1s"'))
    ran = ended(
        subprocess.Popen(
            (sys.executable, "-m", "invoke", "deploy", "--json"),
            cwd=project.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    assert ran.code == json.loads(ran.out)["code"] == 2
    number = next(n for n, line in enumerate(path.read_text().splitlines(), 1) if "htpp" in line)
    assert f"release.toml:{number}" in json.loads(ran.out)["line"]
