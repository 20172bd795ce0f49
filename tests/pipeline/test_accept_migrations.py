"""Acceptance asks the installed Alembic what it would run, and each way to run something else is a NO."""

from __future__ import annotations

import os
import py_compile
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from roadworthy.config import Commands, PackageRules
from roadworthy.facts.migrations import Migration, Migrations
from roadworthy.facts.revision import Listed
from roadworthy.model import Package
from roadworthy.pipeline import accept_migrations
from roadworthy.pipeline.accept_migrations import differences
from roadworthy.trial.package import Trial

INI = "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = .\npath_separator = os\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine
with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
CURRENT = "python -m alembic current"


def migration(revision: str, down: str | None) -> str:
    return (
        f'"""change {revision}"""\nrevision = "{revision}"\ndown_revision = {down!r}\nsafe_under = "expand"\n'
        "code_first = True\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
    )


class App:
    """An app with Alembic and one migration, in a commit; `problems` is what acceptance finds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.migrate = "python -m alembic upgrade {revision}"
        self.write("app/alembic.ini", INI)
        self.write("app/migrations/env.py", ENV)
        self.write("app/migrations/versions/0001.py", migration("0001", None))
        self.git("init", "-q")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def git(self, *words: str) -> str:
        command = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words)
        return subprocess.run(
            command, cwd=self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def problems(self) -> list[str]:
        self.git("add", "-Af")
        self.git("commit", "-q", "-m", "A change")
        environ = {
            "DATABASE_URL": f"sqlite:///{self.root}/test.db",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        package = Package(self.git("rev-parse", "HEAD"), "0" * 64, 0)
        place = Trial(package, self.root / "app", environ, 30.0)
        commands = Commands(test="", migrate=self.migrate, revision=CURRENT)
        rules = PackageRules(path="app", migrations="migrations/versions")
        context = SimpleNamespace(
            config=SimpleNamespace(commands=commands, package=rules), paths=SimpleNamespace(root=self.root)
        )
        said: list[bytes] = []
        found = accept_migrations.problems(cast("Any", context), place, said)
        assert b"".join(said)
        return found


@pytest.fixture
def app(tmp_path: Path) -> App:
    return App(tmp_path)


@pytest.mark.later
def test_what_was_read_is_what_alembic_runs(app: App):
    app.write("app/migrations/versions/0002.py", migration("0002", "0001"))
    assert app.problems() == []


def in_a_subfolder(app: App) -> None:
    app.write("app/alembic.ini", f"{INI}recursive_version_locations = true\n")
    app.write("app/migrations/versions/2026/0002.py", migration("0002", "0001"))


def in_a_second_folder(app: App) -> None:
    folders = "version_locations = %(here)s/migrations/versions:%(here)s/more\n"
    app.write("app/alembic.ini", INI + folders)
    app.write("app/more/0002.py", migration("0002", "0001"))


def without_source(app: App) -> None:
    app.write("app/alembic.ini", f"{INI}sourceless = true\n")
    source = app.write("app/migrations/versions/0002.py", migration("0002", "0001"))
    py_compile.compile(str(source), cfile=f"{source}c")
    source.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("hide", [in_a_subfolder, in_a_second_folder, without_source])
def test_a_migration_that_was_not_read_is_a_no_with_its_name(app: App, hide: Callable[[App], None]):
    hide(app)
    first, second = app.problems()
    assert first.startswith("the migration tool finds 0002 (")
    assert first.endswith("which is not in the package's folder")
    assert second == "the migration tool's heads are 0002, the package's are 0001"
    assert not (app.root / "test.db").exists()  # what nobody read is not run either


@pytest.mark.slow
def test_another_file_of_the_same_revision_is_a_no(app: App):
    app.write("app/alembic.ini", f"{INI}recursive_version_locations = true\n")
    app.write("app/migrations/versions/zz/0001.py", migration("0001", None))
    (problem,) = app.problems()
    assert problem.startswith("the migration tool takes 0001 from ")
    assert problem.endswith("/zz/0001.py, not from app/migrations/versions/0001.py")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("python -m alembic upgrade 0001", "after the first run the database is at 0001, not at 0002"),
        ("python -c pass", "after the first run the database is at None, not at 0002"),
        ("sh -c 'python -m alembic upgrade head; python -m alembic downgrade -1'", "is at 0001, not at 0002"),
        ("python -m alembic upgrade nowhere", "'python -m alembic upgrade nowhere' exited with 255"),
    ],
)
def test_a_command_that_leads_somewhere_else_is_a_no(app: App, command: str, seen: str):
    app.write("app/migrations/versions/0002.py", migration("0002", "0001"))
    app.migrate = command
    (problem,) = app.problems()
    assert seen in problem


def test_two_heads_are_a_no(app: App):
    for name in ("0002", "0002b"):
        app.write(f"app/migrations/versions/{name}.py", migration(name, "0001"))
    app.git("add", "-A")
    app.git("commit", "-q", "-m", "Two heads")
    context = SimpleNamespace(
        config=SimpleNamespace(package=PackageRules(path="app")), paths=SimpleNamespace(root=app.root)
    )
    package = Package(app.git("rev-parse", "HEAD"), "0" * 64, 0)
    place = Trial(package, app.root / "app", {}, 30.0)
    (problem,) = accept_migrations.problems(cast("Any", context), place, [])
    assert "2 heads (0002, 0002b)" in problem


# ---- the comparison -------------------------------------------------------------------------------------

OWN = Migrations(
    (
        Migration("0001", (), "expand", True, "app/versions/0001.py"),
        Migration("0002", ("0001",), "expand", True, "app/versions/0002.py"),
    )
)
TOOL = (Listed("0002", ("0001",), "/x/versions/0002.py"), Listed("0001", (), "/x/versions/0001.py"))


@pytest.mark.parametrize(
    ("heads", "history", "expected"),
    [
        (("0002",), TOOL, []),
        (("0002",), TOOL[:1], ["app/versions/0001.py declares 0001, which the migration tool does not find"]),
        ((), TOOL, ["the migration tool's heads are none, the package's are 0002"]),
        (("0002", "0009"), TOOL, ["the migration tool's heads are 0002, 0009, the package's are 0002"]),
        (
            ("0002",),
            (Listed("0002", (), "/x/versions/0002.py"), TOOL[1]),
            ["the migration tool puts 0002 after nothing, not as app/versions/0002.py declares"],
        ),
        (
            ("0002",),
            (Listed("0002", ("0001",), "/y/versions/0002.py"), TOOL[1]),
            ["the migration tool takes 0002 from /y/versions/0002.py, not from app/versions/0002.py"],
        ),
        (
            ("0002",),
            (*TOOL, Listed("0002", ("0001",), "/x/versions/b/0002.py")),
            ["the migration tool takes 0002 from /x/versions/b/0002.py, not from app/versions/0002.py"],
        ),
    ],
)
def test_each_difference_is_named(heads: tuple[str, ...], history: tuple[Listed, ...], expected: list[str]):
    assert differences(OWN, heads, history, "/x/versions") == expected


def test_in_an_image_only_the_end_of_a_path_can_be_known():
    assert differences(OWN, ("0002",), TOOL, "/versions") == []
    elsewhere = (Listed("0002", ("0001",), "/x/more/0002.py"), TOOL[1])
    assert len(differences(OWN, ("0002",), elsewhere, "/versions")) == 1
