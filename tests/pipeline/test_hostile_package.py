"""A package that means harm: what its tests, its migrations and its app are given, say and leave."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from road.project import Project

# It takes a while: `nox -s slow` runs it.
pytestmark = pytest.mark.slow

SECRETS = {
    "HEROKU_API_KEY": "hk-6f1e0c4d",
    "ROADWORTHY_SIGNING_KEY": "sk-0a1b2c3d",
    "GITHUB_TOKEN": "ghp-11aa22bb",
    "AWS_SECRET_ACCESS_KEY": "aws-99ff88ee",
    "MY_OWN_THING": "mine-77dd66cc",
}
SPY = """
import glob, os
with open({file!r}, "ab") as out:
    for path in ["/proc/self/environ"]:
        out.write(b"\\0" + open(path, "rb").read() + b"\\0")
"""


def spied(project: Project, file: Path, *parts: str) -> None:
    for part in parts:
        path = project.root / "app" / part
        path.write_text(SPY.format(file=str(file)) + path.read_text())
    (project.root / "app" / "hostile.py").write_text(SPY.format(file=str(file)))
    project.git("add", "-A")
    project.change_config(('"python -S -c pass"', '"python -S hostile.py"'))


def test_neither_tests_nor_migrations_nor_app_are_handed_a_credential(project: Project, tmp_path: Path):
    file = tmp_path / "environments"
    spied(project, file, "migrate.py", "web.py")
    (project.root / ".env").write_text("DOTENV_SECRET=dot-55bb44aa\n")
    for stage in ("intake", "build", "test", "accept"):
        # The sandbox signs with its own key; one in the environment is for a live target.
        assert project.process(stage, env=SECRETS).code == 0, stage
    seen = file.read_bytes()
    assert seen.count(b"ROADWORTHY_TRIAL=") >= 6
    for name, value in {**SECRETS, "DOTENV_SECRET": "dot-55bb44aa"}.items():
        assert f"\0{name}=".encode() not in seen
        assert value.encode() not in seen


ESCAPES = "\x1b]0;owned\x07\x1b[2J\x1b[31mYES: all is well\x1b[0m\r\u202e\x9b2J"


def harmless(project: Project, *words: str, code: int) -> str:
    ran = project.process(*words)
    assert ran.code == code, ran.text
    for bad in ("\x1b", "\x07", "\r", "\u202e", "\x9b"):
        assert bad not in ran.text
    return ran.text


def test_tests_that_fail_with_terminal_escapes_show_them_as_text(project: Project):
    (project.root / "app" / "hostile.py").write_text(f"import sys\nsys.exit({ESCAPES!r})")
    project.git("add", "-A")
    project.change_config(('"python -S -c pass"', '"python -S hostile.py"'))
    assert r"\x1b]0;owned" in harmless(project, "test", code=1)


@pytest.mark.parametrize("part", ["migrate.py", "web.py"])
def test_migrations_and_apps_that_print_escapes_are_shown_as_text(project: Project, part: str):
    path = project.root / "app" / part
    path.write_text(f"import sys\nprint({ESCAPES!r}, flush=True)\nsys.exit({ESCAPES!r})\n")
    project.commit("Paint")
    for stage in ("intake", "build", "test"):
        project.json(stage)
    said = harmless(project, "accept", code=1)
    assert "exited with 1" in said
    assert "\nYES" not in said


def test_file_names_with_control_characters_are_shown_as_text(project: Project):
    project.json("ship")
    for name in ("a\x1b[2Jb", "c\nYES: shipped", "\u202egnp.exe"):
        (project.root / name).write_text("")
    (project.root / "app" / "web.py").write_text((project.root / "app" / "web.py").read_text() + "\n")
    project.git("add", "-A")
    project.change_config(('critical = ["app/migrations/**", "guards/**"]', 'critical = ["app/**", "*"]'))
    for words in (("intake",), ("intake", "--json")):
        said = harmless(project, *words, code=1)
        assert "DOCS_DRIFT" in said
        assert "\nYES" not in said


def test_an_app_that_does_not_start_is_a_no_in_clear_words(project: Project):
    (project.root / "app" / "web.py").write_text("import sys\nsys.exit('DATABASE_PASSWORD is not set')")
    project.commit("Need a password")
    for stage in ("intake", "build", "test"):
        project.json(stage)
    said = project.json("accept", code=1)
    assert said["line"].startswith("NO: ")
    assert "exited with 1" in said["reasons"][0]
    assert "DATABASE_PASSWORD is not set" in said["reasons"][0]


def test_an_app_that_hangs_and_floods_its_log_is_a_no(project: Project):
    flood = "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n"
    (project.root / "app" / "web.py").write_text(flood)
    project.change_config(('boot = "5s"', 'boot = "500ms"'))
    for stage in ("intake", "build", "test"):
        project.json(stage)
    said = project.json("accept", code=1)
    assert "did not listen within 0.5 s" in said["reasons"][0]
    commit = project.git("rev-parse", "HEAD")
    entry = project.entries(f"package-{commit}")[-1]
    assert all(item.size <= 2 << 20 for item in entry.record.evidence)


def test_migrations_that_flood_are_cut_and_that_hang_are_ended(project: Project):
    (project.root / "app" / "migrate.py").write_text("while True:\n    print('x' * 65536)\n")
    project.change_config(
        ('oneoff = "5s"', 'oneoff = "500ms"'), ('"python migrate.py', '"python -S migrate.py')
    )
    for stage in ("intake", "build", "test"):
        project.json(stage)
    assert "did not end within 0.5 s" in project.json("accept", code=1)["reasons"][0]


def test_what_a_package_made_unreadable_is_removed_all_the_same(project: Project, tmp_path: Path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    stubborn = (
        "import os\nos.makedirs('a/b/c')\nopen('a/b/f', 'w')\nos.chmod('a/b', 0)\nos.chmod('a', 0o500)\n"
    )
    (project.root / "app" / "hostile.py").write_text(stubborn)
    project.git("add", "-A")
    project.change_config(('"python -S -c pass"', '"python -S hostile.py"'))
    assert project.process("test", env={"TMPDIR": str(temporary)}).code == 0
    assert not any(temporary.iterdir())


# ---- what acceptance itself is given -----------------------------------------------------------------------


def credentials(project: Project, *names: str) -> None:
    named = json.dumps(list(names))
    project.change_config(("[acceptance]", f"[acceptance]\ncredentials = {named}"))
    for stage in ("intake", "build", "test"):
        project.json(stage)


def everything(project: Project) -> bytes:
    """All that a command left, but for the keys and git's own."""
    kept = [project.root / ".release" / name for name in ("journal", "logs")]
    files = [file for place in (*kept, project.root / ".artifacts") for file in place.rglob("*")]
    return b"".join(file.read_bytes() for file in files if file.is_file())


def test_a_credential_that_is_also_productions_is_refused_and_never_shown(project: Project):
    credentials(project, "ACCEPTANCE_KEY")
    given = {"ACCEPTANCE_KEY": SECRETS["HEROKU_API_KEY"], "HEROKU_API_KEY": SECRETS["HEROKU_API_KEY"] + "\n"}
    ran = project.process("accept", env={**given, "ROADWORTHY_DEBUG": "1"})
    assert ran.code == 3, ran.text
    assert "ACCEPTANCE_KEY is HEROKU_API_KEY" in ran.text
    assert SECRETS["HEROKU_API_KEY"] not in ran.text
    assert SECRETS["HEROKU_API_KEY"].encode() not in everything(project)


def test_a_credential_that_opens_the_production_app_is_refused_and_never_shown(project: Project):
    credentials(project, "ACCEPTANCE_KEY")
    from roadworthy.sandbox import control

    here = control.find(project.sandbox)
    assert here is not None
    ran = project.process("accept", env={"ACCEPTANCE_KEY": here.api_key})
    assert ran.code == 3, ran.text
    assert f"opens {project.prod}" in ran.text
    assert here.api_key not in ran.text
    assert here.api_key.encode() not in everything(project)


@pytest.mark.parametrize("value", ["two\nlines", "caf\u00e9", "a" * 100_000, "\udcff"])
def test_a_credential_that_no_header_can_hold_is_not_shown_either(project: Project, value: str):
    credentials(project, "ACCEPTANCE_KEY")
    ran = project.process("accept", env={"ACCEPTANCE_KEY": value, "ROADWORTHY_DEBUG": "1"})
    assert ran.code in (0, 3), ran.text
    assert value not in ran.text
    assert "internal error" not in ran.text
