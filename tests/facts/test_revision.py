"""What Alembic prints is read, as the installed Alembic prints it; anything else is no answer."""

from __future__ import annotations

import contextlib
import io
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alembic import command
from alembic.config import Config

from roadworthy.actions import named
from roadworthy.errors import RoadworthyError
from roadworthy.facts.revision import CannotTell, Listed, heads_in, history_in, read_revision, revision_in
from roadworthy.model import Receipt

LONG = "0009_agent_ownership_public_channel_model.v2"
ENV = """
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""


class Alembic:
    """A project of the installed Alembic: `files` are parents, labels and what else is depended on, by revision."""

    def __init__(self, root: Path, files: Mapping[str, tuple[object, object, object]]) -> None:
        self.versions = root / "versions"
        self.versions.mkdir(parents=True)
        (root / "env.py").write_text(ENV)
        for name, (down, labels, needs) in files.items():
            (self.versions / f"{name}.py").write_text(
                f'"""add {name}\n\nRev: spoofed (head)\nPath: elsewhere\n"""\n'
                f"revision = {name!r}\ndown_revision = {down!r}\nbranch_labels = {labels!r}\n"
                f"depends_on = {needs!r}\n\n\ndef upgrade():\n    pass\n\n\ndef downgrade():\n    pass\n"
            )
        self.out = io.StringIO()
        self.database = root / "test.db"
        self.config = Config(stdout=self.out)
        self.config.set_main_option("script_location", str(root))
        self.config.set_main_option("sqlalchemy.url", f"sqlite:///{self.database}")
        self.config.set_main_option("path_separator", "os")

    def says(self, what: Callable[..., object], **options: object) -> list[str]:
        what(self.config, **options)
        said = self.out.getvalue().splitlines()
        self.out.truncate(0)
        self.out.seek(0)
        return said

    def at(self, *revisions: str) -> list[str]:
        """What `alembic current` says of a database that is at these revisions."""
        with contextlib.closing(sqlite3.connect(self.database)) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
            database.execute("DELETE FROM alembic_version")
            database.executemany("INSERT INTO alembic_version VALUES (?)", [(one,) for one in revisions])
        return self.says(command.current)


@pytest.fixture
def branched(tmp_path: Path) -> Alembic:
    """One line that branches, one branch with a label, and a merge; beside it an independent line."""
    files: dict[str, tuple[object, object, object]] = {
        LONG: (None, None, None),
        "b.1": (LONG, "billing", None),
        "b_2": (LONG, None, None),
        "merged": (("b.1", "b_2"), None, None),
        "last": ("merged", None, None),
        "beside": (None, None, "last"),
    }
    return Alembic(tmp_path, files)


def read(*lines: str, status: int = 0) -> str | None:
    return revision_in(Receipt("revision", 0, exit_status=status, output=lines))


def test_every_form_of_the_installed_alembic_is_read(branched: Alembic):
    forms = {
        LONG: f"{LONG} (branchpoint)",
        "b.1": "b.1",
        "merged": "merged (mergepoint)",
        "last": "last (effective head)",
    }
    for revision, line in forms.items():
        assert branched.at(revision) == [line]
        assert read(line) == revision
        assert read(*branched.says(command.current, verbose=True)) == revision


def test_what_a_head_depends_on_is_a_second_revision(branched: Alembic):
    said = branched.at("beside")
    assert sorted(said) == ["beside (head)", "last (effective head)"]
    with pytest.raises(CannotTell, match="several revisions: beside, last"):
        read(*said)


def test_a_merge_that_is_the_head_is_read(tmp_path: Path):
    files: dict[str, tuple[object, object, object]] = {"a": (None, None, None), "b": ("a", None, None)}
    more: dict[str, tuple[object, object, object]] = {"c": ("a", None, None), "m": (("b", "c"), None, None)}
    project = Alembic(tmp_path, files | more)
    assert project.at("m") == ["m (head) (mergepoint)"]
    assert read("m (head) (mergepoint)") == "m"


@pytest.mark.parametrize("verbose", [False, True])
def test_only_an_answer_that_says_nothing_is_an_empty_database(branched: Alembic, verbose: bool):
    branched.at()
    lines = branched.says(command.current, verbose=verbose)
    assert bool(lines) == verbose  # `Current revision(s) for sqlite:///…:`, and nothing after it
    assert read(*lines) is None
    log = "INFO  [alembic.runtime.migration] Context impl SQLiteImpl."
    assert read(log, "", "   ", *lines) is None


def test_two_heads_are_no_revision_but_named(branched: Alembic):
    with pytest.raises(CannotTell, match=r"several revisions: b\.1, b_2"):
        read(*branched.at("b.1", "b_2"))


@pytest.mark.parametrize(
    "line",
    [
        '{"revision": "0003"}',
        "revision: 0003",
        "0003 (unheard of)",
        "0003, 0004",
        "Context impl SQLiteImpl.",
        "INFO  [app] starting",
        f"{'x' * 129}",
        "  0003",
        "é",
    ],
)
def test_what_is_no_form_of_alembic_is_no_answer(line: str):
    with pytest.raises(CannotTell, match="no revision can be read"):
        read(line)


def test_other_lines_beside_one_revision_do_not_hide_it():
    assert read("/app/env.py:3: DeprecationWarning: old", "  warnings.warn(", "0003 (head)") == "0003"


def test_a_query_that_fails_is_no_answer_whatever_it_printed():
    with pytest.raises(CannotTell, match="'revision' exited with 1\n  0003"):
        read("0003 (head)", status=1)


def test_a_revision_that_the_tool_does_not_know_is_what_is_applied(branched: Alembic):
    with pytest.raises(Exception, match="Can't locate revision identified by 'zz_9'") as error:
        branched.at("zz_9")
    assert read(f"FAILED: {error.value}", status=255) == "zz_9"
    longer = f"FAILED: Can't locate revision identified by '{LONG}'"
    assert read(longer, status=1) == LONG


def test_it_is_an_error_of_ours_with_the_exit_code_of_a_failure():
    assert issubclass(CannotTell, RoadworthyError)
    assert CannotTell.code == 1


# ---- what the tool would run ----------------------------------------------------------------------------


def test_the_heads_and_the_history_of_the_installed_alembic_are_read(branched: Alembic):
    assert heads_in(branched.says(command.heads)) == ("beside", "last")
    (branched.versions / "beside.py").unlink()
    assert heads_in(branched.says(command.heads)) == ("last",)
    listed = {one.revision: one for one in history_in(branched.says(command.history, verbose=True))}
    assert listed.keys() == {LONG, "b.1", "b_2", "merged", "last"}
    assert listed["merged"] == Listed("merged", ("b.1", "b_2"), str(branched.versions / "merged.py"))
    assert listed[LONG].parents == ()
    assert listed["b.1"].parents == (LONG,)


def test_several_heads_with_labels_are_all_read(branched: Alembic):
    for name in ("merged", "last", "beside"):
        (branched.versions / f"{name}.py").unlink()
    said = branched.says(command.heads)
    assert "b.1 (billing) (head)" in said
    assert heads_in(said) == ("b.1", "b_2")
    assert heads_in(branched.says(command.heads, verbose=True)) == ("b.1", "b_2")


def test_a_history_that_is_not_verbose_tells_nothing(branched: Alembic):
    assert history_in(branched.says(command.history)) == ()


@pytest.mark.parametrize("action", ["deploy", "certify", "rollback"])
def test_of_what_never_ran_nothing_is_assumed(action: str):
    """Where nothing ever ran the journal's word is no assumption that a plan or a guard would have to name."""
    history: Any = SimpleNamespace(running=None, revision=None)
    observed: Any = SimpleNamespace(current=None)
    context: Any = None
    found = read_revision(context, named(action), "capecraft", history, observed)
    assert (found.known, found.assumed) == (None, "")
