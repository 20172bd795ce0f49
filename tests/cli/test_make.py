"""The Makefile: each name of the playbook calls one line of invoke, and no value reaches a shell as code.

It runs on a copy whose `.venv/bin/invoke` only writes down how it was called.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
DEPLOY = ["deploy", "--env=capecraft", "--commit=HEAD"]
HUB = ["--commit=HEAD", "--repository=stinkie/autorisen", "--tag="]
BOTH = {"ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
CALLS: dict[str, list[list[str]]] = {
    "deploy-heroku": [["deploy", "--env=autorisen", "--commit=HEAD"]],
    "deploy-autorisen": [["deploy", "--env=autorisen", "--commit=HEAD"]],
    "deploy-staging": [["deploy", "--env=autorisen", "--commit=HEAD"]],
    "heroku-deploy-stg": [["deploy", "--env=autorisen", "--commit=HEAD"]],
    "deploy-capecraft": [DEPLOY],
    "heroku-deploy-prod": [DEPLOY],
    "promote-prod": [DEPLOY],
    "heroku-run-migrate": [["migrate", "--env=autorisen", "--approval="]],
    "verify-autorisen": [["verify", "--env=autorisen"]],
    "verify-capecraft": [["verify", "--env=capecraft"]],
    "smoke-staging": [["smoke", "--env=autorisen"]],
    "smoke-prod": [["smoke", "--env=capecraft"]],
    "heroku-smoke-staging": [["smoke", "--env=autorisen"]],
    "heroku-smoke-prod": [["smoke", "--env=capecraft"]],
    "certify-autorisen": [["certify", "--env=autorisen"]],
    "heroku-config-prod": [
        [
            *("config", "--env=capecraft", "--set", "ENV", "--set", "RUN_DB_MIGRATIONS_ON_STARTUP"),
            *("--set", "DISABLE_RECAPTCHA", "--why", "the playbook's config vars"),
        ]
    ],
    "ship-autorisen": [["ship", "--env=autorisen", "--commit=HEAD"]],
    "ship-autorisen-log": [["ship", "--env=autorisen", "--commit=HEAD", "--log"]],
    "heroku-rollback": [["rollback", "--env=capecraft", "--to="]],
    "test-backend": [["test", "--commit=HEAD"]],
    "docker-build": [["dockerhub.local", "--commit=HEAD", "--image=autorisen:local"]],
    "dockerhub-release": [["dockerhub.release", *HUB, "--platforms=linux/amd64,linux/arm64", "--latest="]],
    "dockerhub-build": [["dockerhub.build", *HUB]],
    "dockerhub-push": [["dockerhub.push", *HUB, "--latest="]],
    "dockerhub-build-push": [["dockerhub.push", *HUB, "--latest="]],
    "dockerhub-login": [["dockerhub.login", HUB[1]]],
    "dockerhub-logout": [["dockerhub.logout", HUB[1]]],
    "status": [["status"]],
    "history": [["history", "--env=autorisen"]],
    "rehearse": [["rehearse"]],
    "clean": [["--version"], ["sandbox.down"]],
}
# Fields end with NUL, calls with an empty field: words first, then the keys.
STUB = """#!/bin/sh
{
    printf '%s\\0' "$@"
    for key in ALLOW_PROD ALLOW_PROD_DEPLOY; do
        eval "value=\\${$key-unset}"
        [ "$value" = unset ] || printf '%s\\0' "$key=$value"
    done
    printf '\\0'
} >>"$CALLED"
[ "$1" = --version ] && exit
printf '%s\\n' "${SAYS:-done}"
exit "${ENDS:-0}"
"""


class Copy:
    """A folder with our Makefile and stubs; `called` is what invoke was called with, and its keys."""

    def __init__(self, root: Path) -> None:
        self.root, self.record = root, root / "called"
        for name in (
            "Makefile",
            "requirements.lock",
            "pyproject.toml",
            "scripts/keys.sh",
            "scripts/setup.sh",
            "scripts/smoke.sh",
        ):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
        invoke = root / ".venv" / "bin" / "invoke"
        invoke.parent.mkdir(parents=True)
        invoke.write_text(STUB)
        invoke.chmod(0o755)
        (root / ".venv" / ".ready").write_text(f"{root}/.venv\n")

    def make(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        clean = {k: os.environ[k] for k in ("PATH", "HOME", "LANG") if k in os.environ}
        self.record.unlink(missing_ok=True)
        return subprocess.run(
            ("make", *words),
            cwd=self.root,
            env={**clean, "CALLED": str(self.record), **(env or {})},
            capture_output=True,
            text=True,
            timeout=20,
        )

    @property
    def called(self) -> list[tuple[list[str], dict[str, str]]]:
        text = self.record.read_text() if self.record.exists() else ""
        found = []
        for call in text.split("\0\0")[:-1]:
            words = [word for word in call.split("\0") if not word.startswith("ALLOW_PROD")]
            keys = [word for word in call.split("\0") if word.startswith("ALLOW_PROD")]
            found.append((words, dict(key.split("=", 1) for key in keys)))
        return found


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "project")


@pytest.mark.parametrize("target", CALLS)
def test_each_name_of_the_playbook_is_one_line_of_invoke(copy: Copy, target: str):
    done = copy.make(target)
    assert done.returncode == 0, done.stderr
    assert copy.called == [(words, {}) for words in CALLS[target]]


def test_help_lists_every_target_with_its_words(copy: Copy):
    phony = re.search(r"\.PHONY: ((?:.*\\\n)*.*)\n", MAKEFILE)
    assert phony
    targets = set(phony[1].replace("\\\n", " ").split()) - {"anew"}
    said = copy.make().stdout
    listed = dict(line.split(None, 1) for line in said.splitlines() if line.startswith("  "))
    assert set(listed) == targets
    assert all(len(words) > 10 for words in listed.values())
    assert copy.make("help").stdout == said
    assert listed["deploy-staging"].startswith("= deploy-autorisen, "), "an alias says whose"
    defined = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
    assert defined == targets


@pytest.mark.parametrize(
    ("words", "env", "keys"),
    [
        (["ALLOW_PROD=1"], {}, BOTH),
        (["ALLOW_PROD=1"], {"ALLOW_PROD": "0", "ALLOW_PROD_DEPLOY": "NO"}, BOTH),
        ([], {}, {}),
        ([], {"ALLOW_PROD": "1"}, {"ALLOW_PROD": "1"}),
        (["-e"], {"ALLOW_PROD": "1"}, {"ALLOW_PROD": "1"}),
        ([], {"ALLOW_PROD_DEPLOY": "YES"}, {"ALLOW_PROD_DEPLOY": "YES"}),
        ([], BOTH, BOTH),
        (["ALLOW_PROD="], {}, {"ALLOW_PROD": ""}),
        (["ALLOW_PROD=0"], {}, {"ALLOW_PROD": "0"}),
        (["ALLOW_PROD=2"], {}, {"ALLOW_PROD": "2"}),
        (["ALLOW_PROD=yes"], {}, {"ALLOW_PROD": "yes"}),
        (["ALLOW_PROD=1 1"], {}, {"ALLOW_PROD": "1 1"}),
        (["ALLOW_PROD=1 "], {}, {"ALLOW_PROD": "1 "}),
        ([], {"ALLOW_PROD": " 1"}, {"ALLOW_PROD": " 1"}),
        (["-C", "."], {"ALLOW_PROD": "1"}, {"ALLOW_PROD": "1"}),
        (["-C", ".", "ALLOW_PROD=1"], {}, BOTH),
        (["-j2", "ALLOW_PROD=1"], {"MAKEFLAGS": "k"}, BOTH),
        (["ALLOW_PROD_DEPLOY=YES"], {"ALLOW_PROD": "1"}, BOTH),
        (["ALLOW_PROD=1 ALLOW_PROD=1"], {}, {"ALLOW_PROD": "1 ALLOW_PROD=1"}),
        (["ALLOW_PROD=$(REL)", "REL=1"], {}, {"ALLOW_PROD": "$(REL)"}),
        (["ALLOW_PROD="], {"ALLOW_PROD": "1"}, {"ALLOW_PROD": ""}),
    ],
)
def test_only_the_command_line_gives_both_keys(
    copy: Copy, words: list[str], env: dict[str, str], keys: dict[str, str]
):
    copy.make("deploy-capecraft", "heroku-run-migrate", *words, env=env)
    assert [seen for _, seen in copy.called] == [keys, keys]


def test_the_config_vars_of_production_need_both_keys_and_have_values_that_the_app_knows(copy: Copy):
    copy.make("heroku-config-prod", "ALLOW_PROD=1")
    assert copy.called == [(CALLS["heroku-config-prod"][0], BOTH)]
    said = re.search(r"^heroku-config-prod:.*\n\t@.*\n(.*)\\\n", MAKEFILE, re.MULTILINE)
    assert said
    values = dict(word.split("=", 1) for word in said[1].split() if "=" in word and not word.startswith("--"))
    assert values == {"ENV": "prod", "RUN_DB_MIGRATIONS_ON_STARTUP": "0", "DISABLE_RECAPTCHA": "false"}


def test_the_rollback_gets_both_keys_and_its_release(copy: Copy):
    copy.make("heroku-rollback", "REL=v12", "ALLOW_PROD=1")
    assert copy.called == [(["rollback", "--env=capecraft", "--to=v12"], BOTH)]


DEPLOYS = ("deploy-capecraft", "heroku-rollback", "heroku-config-prod", "heroku-run-migrate", "require-prod")
NO_KEYS: dict[str, tuple[list[str], dict[str, str]]] = {
    "MAKEFLAGS": ([], {"MAKEFLAGS": "ALLOW_PROD=1"}),
    "MAKEFLAGS, as make writes it": ([], {"MAKEFLAGS": " -- ALLOW_PROD=1"}),
    "MAKEFLAGS with both": ([], {"MAKEFLAGS": "ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES"}),
    "MAKEFLAGS and the environment": ([], {"MAKEFLAGS": "ALLOW_PROD=1", **BOTH}),
    "MAKEFLAGS and the command line": (["ALLOW_PROD=1"], {"MAKEFLAGS": "ALLOW_PROD=1"}),
    "MAKEFLAGS with -e": (["-e"], {"MAKEFLAGS": "ALLOW_PROD=1"}),
    "MAKEFLAGS that evaluate": ([], {"MAKEFLAGS": "--eval=ALLOW_PROD=1"}),
    "GNUMAKEFLAGS": ([], {"GNUMAKEFLAGS": "ALLOW_PROD=1"}),
    "another folder": (["-C", "."], {"MAKEFLAGS": "ALLOW_PROD=1"}),
    "a word before 1": (["ALLOW_PROD= 1"], {}),
    "a space before =": (["ALLOW_PROD =1"], {}),
    ":=": (["ALLOW_PROD:=1"], {}),
    "::=": (["ALLOW_PROD::=1"], {}),
    "?=": (["ALLOW_PROD?=1"], {}),
    "+=": (["ALLOW_PROD+=1"], {}),
    "twice, one not exact": (["ALLOW_PROD=0", "ALLOW_PROD=1"], {}),
    "--eval": (["--eval", "ALLOW_PROD=1"], {}),
    "--eval that overrides": (["--eval", "override ALLOW_PROD=1"], {}),
    "--eval that exports": (["--eval", "export ALLOW_PROD_DEPLOY=YES", "ALLOW_PROD=0"], {}),
    "a target's own variable": (["--eval", "%: export ALLOW_PROD=1"], {}),
    "a makefile before": (["-f", "other.mk", "-f", "Makefile"], {}),
    "a makefile behind": (["-f", "Makefile", "-f", "other.mk"], {}),
    "an included .env": (["-f", "including.mk", "-f", "Makefile"], {}),
    "MAKEFILES": ([], {"MAKEFILES": "other.mk"}),
    "the shell's own start": ([], {"BASH_ENV": "other.env"}),
    "a level and the environment": ([], {"MAKELEVEL": "1", **BOTH}),
    "a level": (["ALLOW_PROD=1"], {"MAKELEVEL": "1"}),
    "an outer make": (["-f", "outer.mk", "ALLOW_PROD=1"], {}),
    "an outer make in another folder": (["-f", "outer.mk", "-C", ".", "ALLOW_PROD=1"], {}),
    "an outer make that says it": (["-f", "saying.mk"], {}),
    "an outer make that hides it": (["-f", "hiding.mk", "ALLOW_PROD=1"], {}),
}


@pytest.mark.parametrize("trick", NO_KEYS)
def test_a_key_that_nobody_typed_is_refused_with_what_to_type(copy: Copy, trick: str):
    (copy.root / "other.mk").write_text("export ALLOW_PROD := 1\nexport ALLOW_PROD_DEPLOY := YES\n")
    (copy.root / ".env").write_text("ALLOW_PROD=1\n")
    (copy.root / "other.env").write_text("export ALLOW_PROD=1 ALLOW_PROD_DEPLOY=YES\n")
    (copy.root / "including.mk").write_text("include .env\nexport\n")
    for name, call in (
        ("outer", "@$(MAKE) -f Makefile $@"),
        ("saying", "@$(MAKE) -f Makefile $@ ALLOW_PROD=1"),
        ("hiding", "@MAKEFLAGS= GNUMAKEFLAGS= $(MAKE) -f Makefile $@"),
    ):
        (copy.root / f"{name}.mk").write_text(f"%:\n\t{call}\nMakefile %.mk:;\n")
    words, env = NO_KEYS[trick]
    for target in DEPLOYS:
        done = copy.make(target, *words, env=env)
        assert (done.returncode, copy.called) == (2, []), (target, done.stdout, done.stderr)
        (said,) = (line for line in done.stderr.splitlines() if line.startswith("production is locked: "))
        assert said.endswith(f"which is no key; if you mean it, type: make {target} ALLOW_PROD=1")


def test_where_nobody_says_what_make_was_started_with_there_is_no_key(copy: Copy):
    keys = copy.root / "scripts" / "keys.sh"
    keys.write_text(keys.read_text().replace("/proc/$PPID", "/nowhere/$PPID"))
    done = copy.make("deploy-capecraft", "ALLOW_PROD=1")
    assert (done.returncode, copy.called) == (2, [])
    assert "production is locked: this system does not say what make was started with" in done.stderr
    keys.unlink()
    assert copy.make("deploy-capecraft", "ALLOW_PROD=1").returncode == 2
    assert copy.called == []


def test_a_file_gives_no_key(copy: Copy):
    (copy.root / ".env").write_text("ALLOW_PROD=1\n")
    copy.make("deploy-capecraft")
    assert copy.called[0][1] == {}


@pytest.mark.parametrize(
    ("words", "env", "code"),
    [
        ([], {}, 2),
        (["ALLOW_PROD=1"], {}, 0),
        ([], {"ALLOW_PROD": "1"}, 2),
        ([], BOTH, 0),
        (["ALLOW_PROD=0"], BOTH, 2),
    ],
)
def test_require_prod_is_for_people_who_write_shell(
    copy: Copy, words: list[str], env: dict[str, str], code: int
):
    done = copy.make("require-prod", *words, env=env)
    assert done.returncode == code
    assert ("production is locked" in done.stderr) == bool(code)


EVIL = (
    "'; touch CANARY; '",
    '"; touch CANARY; "',
    "$(shell touch CANARY)",
    "$$(touch CANARY)",
    "$(touch CANARY)",
    "${shell touch CANARY}",
    "`touch CANARY`",
    "$(eval x:=$(shell touch CANARY))",
    "a b  c",
    "a\nb: ; touch CANARY",
    "v1; touch CANARY #",
    "\\",
    "*",
    "$HOME",
    "%",
)
TAKES = {
    "REL": ("heroku-rollback", "--to="),
    "COMMIT": ("deploy-autorisen", "--commit="),
    "HEROKU_APP_NAME": ("heroku-run-migrate", "--env="),
    "APPROVAL": ("heroku-run-migrate", "--approval="),
}


@pytest.mark.parametrize("how", ["command line", "environment"])
@pytest.mark.parametrize("name", TAKES)
def test_no_value_reaches_a_shell_as_code(copy: Copy, name: str, how: str):
    target, option = TAKES[name]
    for value in EVIL:
        words, env = ([f"{name}={value}"], {}) if how == "command line" else ([], {name: value})
        done = copy.make(target, *words, env=env)
        assert not (copy.root / "CANARY").exists(), value
        ((said, _),) = copy.called or [([], {})]
        assert f"{option}{value}" in said, (value, said, done.stderr)


@pytest.mark.parametrize("value", EVIL)
def test_no_other_variable_runs_code_either(copy: Copy, value: str):
    names = ("PYTHON", "EVIDENCE_DIR", "KEEP", "BASE_URL", "message", "ALLOW_PROD", "ALLOW_PROD_DEPLOY")
    targets = ("-k", "rehearse", "smoke-local", "migrate-revision", "deploy-capecraft", "require-prod")
    for ready in (True, False):
        if not ready:  # setup is called, too
            (copy.root / ".venv" / ".ready").unlink(missing_ok=True)
        copy.make(*targets, *(f"{name}={value}" for name in names))
        copy.make(*targets, env=dict.fromkeys(names, value))
    assert not list(copy.root.rglob("CANARY"))


def test_every_failure_is_2_and_the_command_says_why_last(copy: Copy):
    for code in (1, 2, 3, 4, 5, 42):
        done = copy.make("deploy-capecraft", env={"ENDS": str(code), "SAYS": "✗ refused by ci_is_green"})
        assert done.returncode == 2
        assert done.stdout.splitlines()[-1] == "✗ refused by ci_is_green"
        assert f"Error {code}" in done.stderr


def test_an_unknown_target_is_one_line(copy: Copy):
    done = copy.make("deploy-capcraft", "ALLOW_PROD=1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "make: *** No rule to make target 'deploy-capcraft'.  Stop.\n"


def test_a_revision_without_a_message_is_refused(copy: Copy):
    done = copy.make("migrate-revision")
    assert done.returncode == 2
    assert done.stderr.startswith("message is missing: make migrate-revision message=")


def test_clean_keeps_what_cannot_be_made_again(copy: Copy):
    kept = copy.root / ".release" / "journal" / "entry"
    for path in (kept, copy.root / ".release" / "rehearsal" / "x", copy.root / ".nox" / "x"):
        path.parent.mkdir(parents=True)
        path.write_text("x")
    assert copy.make("clean", env={"ENDS": "1"}).returncode == 2
    assert (copy.root / ".venv").exists(), "the sandbox was not ended, and without .venv it never is"
    assert copy.make("clean").returncode == 0
    assert kept.exists()
    assert {path.name for path in copy.root.iterdir()} & {".venv", ".nox"} == set()
    assert not (copy.root / ".release" / "rehearsal").exists()
    assert copy.make("clean").returncode == 0, "also when there is nothing left"
