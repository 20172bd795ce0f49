"""The nineteen faults of the system that this toolkit replaces, each shown not to exist here.

Every test goes through the commands that people type; the numbers are those of the list of faults. What the
fault was stands in each test's comment. Where a rule has tests of its own, this only shows that it is in force.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from road.project import KEYS, REPOSITORY, Project, migration, until

from roadworthy import config
from roadworthy.sandbox import control

RUN = ("Makefile", "noxfile.py", "tasks.py", "scripts/*", ".ci/*", "guards/*.sh", ".github/workflows/*")
HIDDEN = re.compile(r"\|\|\s*(true|:|echo|exit 0)\b|continue-on-error|always\(\)|set \+e|in-progress: true")


@pytest.fixture
def staged(project: Project) -> Project:
    project.deployed()
    project.json("migrate")
    return project


def ours(*names: str) -> dict[Path, str]:
    """The files that run commands: a fault in a script is a fault in its text."""
    names = names or (
        "Makefile",
        "noxfile.py",
        "tasks.py",
        "scripts/*",
        ".ci/*",
        "guards/*.sh",
        ".github/workflows/*",
    )
    files = [path for name in names for path in REPOSITORY.glob(name) if path.is_file()]
    assert files
    return {
        path: "\n".join(line.partition(" #")[0] for line in path.read_text().splitlines()) for path in files
    }


def test_fault_01_two_alembic_heads_are_refused_before_anything_is_done(project: Project):
    # `alembic upgrade head` failed at the documented commit, and production hid that it had.
    heads = {f"app/migrations/{name}.py": migration(name, "0001") for name in ("0002", "0002b")}
    project.commit("Two heads", heads)
    project.json("test")
    said = project.json("deploy", code=3)
    assert "2 heads (0002, 0002b)" in next(r for r in said["reasons"] if r.startswith("one_head"))
    assert project.calls() == []


@pytest.mark.slow
def test_fault_02_what_deploy_makes_certify_can_certify_and_by_equality_only(staged: Project):
    # Deploy baked 12 characters in, certify wanted 40, and any text around them would do; so did "unknown".
    staged.json("certify")
    for lie in (staged.first[:12], f"x{staged.first}", "unknown", ""):
        staged.mood(version=lie)
        assert "check version" in staged.json("certify", code=1)["reasons"][0]


@pytest.mark.slow
def test_fault_03_a_log_that_cannot_be_read_certifies_nothing_and_sizes_are_no_alarm(staged: Project):
    # A failing `heroku logs` was a clean log; `200 512` was an error and `status=503` was none.
    staged.mood(say=["GET /logo 200 512"])
    staged.get("/")
    staged.mood()
    staged.json("certify")
    staged.break_log_at_check({"kind": "status", "status": 401})
    assert "the log cannot be read" in "\n".join(staged.json("certify", code=1)["reasons"])
    control.clear_faults(staged.sandbox)
    staged.mood(health_code=503)
    staged.get("/api/health")
    staged.mood()
    assert "log rule '5xx'" in staged.json("certify", code=1)["reasons"][0]


def test_fault_04_a_degraded_app_is_not_healthy_although_it_answers_200(staged: Project):
    # Only the status code was looked at, and it was 200 without a database.
    staged.mood(health="degraded")
    assert "health" in staged.json("smoke", code=1)["reasons"][0]
    assert "check health" in staged.json("certify", code=1)["reasons"][0]


def test_fault_05_after_a_rollback_the_version_is_that_of_the_code_that_runs(staged: Project):
    # The newest row of a table won over the code that ran, so it said B while A ran.
    staged.commit("B")
    staged.deployed()
    staged.json("rollback")
    assert staged.runs() == staged.first
    assert staged.json("verify")["details"]["differences"] == []


def test_fault_06_checks_ask_as_visitors_do(staged: Project):
    # `curl -I` asked HEAD where only GET is answered, so the step always failed, or was made not to matter.
    assert {check.method for check in config.read(REPOSITORY).checks} == {"GET"}
    asked = {row["method"] for row in staged.json("smoke")["details"]["checks"]}
    assert asked == {"GET"}
    assert not [path for path, text in ours().items() if re.search(r"curl[^\n]* (-I|--head|-\w*I)\b", text)]


def test_fault_07_the_cookie_that_is_promised_is_the_cookie_that_is_asked_for(staged: Project):
    # The document said csrf_token, the app set csrftoken, and nobody compared.
    check = next(c for c in config.read(REPOSITORY).checks if c.name == "csrf")
    assert check.cookies == ("csrf_token",)
    staged.json("smoke")
    staged.mood(cookie="csrftoken=abc; Path=/")
    assert "csrf_token" in staged.json("smoke", code=1)["reasons"][0]


def test_fault_08_a_config_var_that_the_app_cannot_start_with_never_gets_traffic(staged: Project):
    # The playbook's own target set a value that the app refused at import, and took production down.
    code = "from capecontrol import settings; print(settings.read().environment)"
    for named in ("production", "prod", "staging"):
        environ = {"ENV": named, "DATABASE_URL": "sqlite:///none.db", "PYTHONPATH": str(REPOSITORY / "app")}
        done = subprocess.run(
            (sys.executable, "-c", code),
            cwd=REPOSITORY,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() in ("prod", "staging")
    staged.mood(boot="die")
    staged.api("PATCH", f"/apps/{staged.staging}/config-vars", {"ENV": "nonsense"})
    dynos = f"/apps/{staged.staging}/dynos"
    until(lambda: any(d["state"] == "crashed" for d in staged.api("GET", dynos)))
    assert staged.get("/api/health")[0] == 200


def test_a_config_var_that_takes_the_app_down_is_put_back_on_the_road(project: Project):
    web = (project.root / "app/web.py").read_text()
    refuses = "if os.environ.get('ENV') == 'production':\n    sys.exit('ENV is no environment')\n\nmain()\n"
    project.commit("Know two environments", {"app/web.py": web.removesuffix("main()\n") + refuses})
    project.deployed()
    said = project.json("config", "--set", "ENV", env={"ENV": "production"}, code=1)
    assert "restored the config vars" in said["line"]
    assert project.json("verify")["details"]["differences"] == []
    assert "ENV" not in project.api("GET", f"/apps/{project.staging}/config-vars")


def test_fault_09_no_step_hides_a_failure_and_none_waits_for_a_guessed_time(project: Project):
    # Loops that never failed, `|| echo`, `if: always()`, `sleep 30`, no tests and no staging before production.
    for path, text in ours().items():
        values_aside = re.sub(
            r"^\s*\w+=\$\(.*\)$", "", text, flags=re.M
        )  # `sudo=$(… || echo sudo)` hides nothing
        assert not HIDDEN.search(values_aside), path
        assert not re.search(r"\bsleep\b", text), path
        assert not re.search(r"^\t+-", text, re.M), path  # make's own "ignore errors"
    said = project.json("deploy", "--env", "prod", env=KEYS, code=3)
    assert {"ci_is_green", "staging_is_certified"} <= {r.partition(":")[0] for r in said["reasons"]}


@pytest.mark.slow
def test_fault_10_every_way_to_change_production_needs_both_keys_before_anything_is_sent(staged: Project):
    # migrate had no guard, rollback and promote one of two, the image was built first, and make ate the 42.
    staged.json("certify")
    staged.deployed(env="prod")
    staged.commit("B", {"app/migrations/0002.py": migration("0002", "0001")})
    staged.deployed()
    before = [c for c in staged.calls("prod") if not c["path"].endswith(("/dynos", "/log-sessions"))]
    for keys, code in (({}, 2), ({"ALLOW_PROD": "1"}, 42), ({"ALLOW_PROD_DEPLOY": "YES"}, 2)):
        staged.json("deploy", "--env", "prod", env=keys, code=code)
        staged.json("migrate", "--env", staged.prod, "--approval", "CR-1", env=keys, code=code)
        said = staged.json("rollback", "--env", "prod", "--to", staged.first, "--plan", env=keys, code=code)
        assert said["outcome"] == "refused"
        staged.json("config", "--env", "prod", "--set", "COLOUR", env={"COLOUR": "red", **keys}, code=code)
    after = [c for c in staged.calls("prod") if not c["path"].endswith(("/dynos", "/log-sessions"))]
    assert after == before
    assert staged.process("deploy", "--env", "prod", env={"ALLOW_PROD": "1"}).code == 42
    given = re.compile(r"ALLOW_PROD(_DEPLOY)?=(1|YES)")
    lines = ours("Makefile").popitem()[1].splitlines()
    assert not [
        line for line in lines if given.search(line) and "##" not in line and not line.startswith("#")
    ]
    production = re.compile(r"\$\(INVOKE\) (deploy|migrate|rollback) --env=(capecraft|\"\$\$HEROKU_APP_NAME)")
    changing = [line for line in lines if production.search(line)]
    assert len(changing) == 3 and all("@. scripts/keys.sh" in line for line in changing)


def test_fault_11_verify_compares_and_fails(staged: Project):
    # It printed three things, compared none, and ended in `|| true`.
    staged.json("verify")
    staged.mood(version=staged.first[:12])
    assert staged.process("verify").code == 1


@pytest.mark.slow
def test_fault_12_a_smoke_test_never_skips_itself(staged: Project):
    # Without jq, without a schema or without a csrf path it ended with 0; its files had fixed names in /tmp.
    staged.mood(cookie="other=1")
    assert staged.process("smoke").code == 1
    staged.change_config(
        ("[[checks]]", "[[checks]]\n"), *((f'name = "{n}"', f'name = "{n}2"') for n in ("csrf",))
    )
    assert staged.process("smoke").code == 1
    assert not [path for path, text in ours().items() if "/tmp/" in text]


@pytest.mark.slow
def test_fault_13_evidence_is_signed_bound_to_its_package_and_read_before_production(staged: Project):
    # Local time, seconds, unsigned, in /tmp, a certificate that anybody could edit and nothing read.
    staged.json("certify")
    path = staged.root / ".release" / f"{staged.staging}_certified"
    text = path.read_text()
    path.write_text(text.replace("EXPIRES=20", "EXPIRES=21"))
    refused = staged.json("deploy", "--env", "prod", env=KEYS, code=3)["reasons"]
    assert any(reason.startswith("staging_is_certified") and "altered" in reason for reason in refused)
    path.write_text(text)
    (staged.root / "app" / "web.py").write_text("not committed")
    refused = staged.json("deploy", "--env", "prod", env=KEYS, code=3)["reasons"]
    assert refused[0].startswith("tree_is_clean")
    staged.json("evidence.audit")
    entry = staged.root / ".release" / "journal" / "sandbox" / "staging" / "00000002.json"
    entry.chmod(0o644)
    entry.write_bytes(entry.read_bytes().replace(b"payload", b"pay1oad", 1))
    assert staged.json("evidence.audit", code=1)["reasons"]


@pytest.mark.slow
def test_fault_14_what_was_tested_is_released_by_its_digest_and_by_one_at_a_time(project: Project):
    # A tag was pushed and whatever it named by then was released; two could do so at once.
    project.json("test")
    project.json("intake")
    package = Path(project.json("build")["evidence"])
    package.chmod(0o644)
    package.write_bytes(package.read_bytes().replace(b"healthy", b"heal7hy", 1))
    ran = project.invoke("deploy", "--json")
    assert ran.code == 2, ran.text
    assert project.calls() == []
    package.write_bytes(package.read_bytes().replace(b"heal7hy", b"healthy", 1))
    project.faults({"kind": "delay", "seconds": 1, "method": "POST", "path": "/slugs"})
    first = project.start("deploy", "--json")
    until(lambda: project.kinds() == ["start deploy"])
    assert project.json("deploy", code=5)["outcome"] == "failed"
    first.communicate()
    assert first.returncode == 0
    tested = hashlib.sha256(package.read_bytes()).hexdigest()
    start, end = project.entries()[-2:]
    assert (start.record.digest, end.record.kind) == (tested, "end")
    assert f"#{start.seq} {start.sha256[:12]}" in project.releases()[-1]["description"]
    assert project.runs() == project.first


def test_fault_15_the_commit_is_in_the_package_and_no_config_var_is_set_for_it(project: Project):
    # The SHA was set as a config var before the release, which restarted the old image under the new name.
    project.deployed()
    second = project.commit("B")
    project.deployed()
    assert not [call for call in project.calls() if "config-vars" in call["path"]]
    variables = project.api("GET", f"/apps/{project.staging}/config-vars")
    assert not any(project.first[:12] in value or second[:12] in value for value in variables.values())
    assert project.runs() == second


def test_fault_16_a_target_that_fails_fails(project: Project):
    # format, lint and test ended in `|| true`.
    project.change_config(('"python -S -c pass"', '"python -S -c 1/0"'))
    makefile = str(REPOSITORY / "Makefile")
    bin_folder = f"BIN={Path(sys.executable).parent}"
    done = subprocess.run(
        ("make", "-f", makefile, "READY=", bin_folder, "test-backend"),
        cwd=project.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "exited with 1" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_fault_17_no_process_migrates_because_it_starts(project: Project):
    # One default said that the app migrates on start-up, another that it does not, and CI set it to yes.
    project.deployed()
    project.api("DELETE", f"/apps/{project.staging}/dynos")
    until(lambda: project.get("/api/health")[0] == 200)
    assert project.revision() is None
    app = [p for p in (REPOSITORY / "app").rglob("*") if p.suffix in (".py", ".toml", "") and p.is_file()]
    assert not [path for path in app if "MIGRATIONS_ON_STARTUP" in path.read_text(errors="replace")]


def test_fault_18_everything_is_pinned_and_no_key_is_written_to_or_read_from_netrc(
    project: Project, tmp_path
):
    # Requirements floated, a CLI came by curl|sh, and the API key was written to ~/.netrc.
    requirements = re.findall(
        r"^([A-Za-z0-9_.\[\],-]+)(==)?", (REPOSITORY / "requirements.lock").read_text(), re.M
    )
    assert requirements
    assert all(pinned for _, pinned in requirements)
    for path, text in ours().items():
        assert not re.search(r"(curl|wget)[^\n]*\|\s*(ba|da)?sh\b", text), path
        assert "netrc" not in text, path
    project.json("test")
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password wrong\n")
    (tmp_path / ".netrc").chmod(0o600)
    ran = project.process("deploy", env={"HOME": str(tmp_path)})
    assert ran.code == 0, ran.text
    assert "wrong" in (tmp_path / ".netrc").read_text()


def test_fault_19_an_answer_of_200_to_nobody_is_a_failure_whatever_it_says(staged: Project):
    # /api/auth/me passed with 200 when "email" stood anywhere in the answer.
    staged.mood(me=200)
    assert staged.get("/api/auth/me")[1]["email"]
    assert "me" in staged.json("smoke", code=1)["reasons"][0]
    assert "check me" in staged.json("certify", code=1)["reasons"][0]


def test_each_of_the_nineteen_has_its_test():
    numbers = re.findall(r"^def test_fault_(\d\d)_", Path(__file__).read_text(), re.M)
    assert numbers == [f"{number:02d}" for number in range(1, 20)]
