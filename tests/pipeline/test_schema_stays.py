"""A schema changes only by `invoke migrate`: acceptance starts what a package has, and looks at its database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from road.project import Project
from sandbox.client import Client

from roadworthy.errors import CheckFailed
from roadworthy.sandbox import control
from roadworthy.trial.database import Postgres, Sqlite, changes, database

INSTALLED = shutil.which("initdb") or list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
MIGRATION = "runtime-migration-image-acceptance"
MADE = (
    "import os, sqlite3\ndatabase = sqlite3.connect(os.environ['DATABASE_URL'].partition('sqlite:///')[2])\n"
)
CREATES = MADE + "database.execute('CREATE TABLE IF NOT EXISTS users (id)')\ndatabase.commit()\n"
ALTERS = (
    MADE
    + "try: database.execute('ALTER TABLE alembic_version ADD COLUMN note')\nexcept sqlite3.Error: pass\n"
)
STAMPS = "database.execute('UPDATE alembic_version SET version_num = 0')\ndatabase.commit()\n"
DIES = MADE + "database.execute('SELECT version_num FROM alembic_version').fetchone()[0]\n"
SERVES = "python -S web.py"
SUPERUSER: list[str] = []  # the password, once there is a server
MIGRATES = "python -S migrate.py upgrade head"


def accepted(project: Project, files: dict[str, str], code: int = 0) -> dict[str, Any]:
    """What acceptance says of a package with these files of the app."""
    project.commit("Change how it starts", {f"app/{name}": text for name, text in files.items()})
    for stage in ("intake", "build", "test"):
        project.json(stage)
    said = project.json("accept", code=code)
    kept = project.root / ".artifacts/acceptance" / project.git("rev-parse", "HEAD") / "result.json"
    assert json.loads(kept.read_text())["decision"] == ("NO" if code else "YES")
    return said


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("files", "who", "what"),
    [
        ({"Procfile": f"web: python make.py; exec {SERVES}\n", "make.py": CREATES}, "its web", "users is new"),
        ({"Procfile": f"web: {MIGRATES} && exec {SERVES}\n"}, "its web process", "alembic_version is new"),
        ({"Procfile": f"web: {SERVES}\nworker: python make.py\n", "make.py": CREATES}, "'worker'", "users is new"),
        ({"Procfile": f"web: {SERVES}\nclock: {MIGRATES} && sleep 60\n"}, "'clock'", "the revision is new"),
        (
            {"Procfile": f"web: python make.py; exec {SERVES}\n", "make.py": DIES + ALTERS},
            "of a database at its head",
            "table alembic_version is another",
        ),
        (
            {"Procfile": f"web: python make.py; exec {SERVES}\n",
             "make.py": DIES + STAMPS},
            "its web process",
            "the revision is another",
        ),
    ],
)  # fmt: skip
def test_whatever_changes_the_schema_when_it_starts_is_no(
    project: Project, files: dict[str, str], who: str, what: str
) -> None:
    said = accepted(project, files, code=1)
    problems = "\n".join(said["reasons"])
    assert MIGRATION in problems
    assert who in problems and what in problems, problems
    assert "schemas change only by `invoke migrate`" in problems
    assert said["details"]["checks"][MIGRATION] == "failure"


def test_what_is_made_at_the_first_request_is_seen_too(project: Project) -> None:
    web = (project.root / "app" / "web.py").read_text()
    lazy = web.replace("    said = mood()\n", "    said = mood()\n    exec(open('make.py').read())\n", 1)
    assert lazy != web
    said = accepted(project, {"web.py": lazy, "make.py": CREATES}, code=1)
    assert "table users is new" in "\n".join(said["reasons"])


@pytest.mark.later(1)
@pytest.mark.parametrize(
    "files",
    [
        {"Procfile": f"web: {SERVES}\nworker: sleep 60\nonce: true\nwrong: no-such-program\n"},
        {"Procfile": f"web: python make.py && exec {SERVES}\n", "make.py": DIES},
    ],
    ids=["neither", "it cannot start on an empty database"],
)
def test_an_app_that_leaves_its_schema_alone_is_accepted(project: Project, files: dict[str, str]) -> None:
    accepted(project, files)


@pytest.mark.later(1)
@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (
            MIGRATES,
            "the release phase 'python -S migrate.py upgrade head' changed the schema of an empty database",
        ),
        (
            "python make.py",
            "the release phase 'python make.py' changed the schema of an empty database: table users",
        ),
        ("echo no; exit 3", "the release phase 'echo no; exit 3' exited with 3"),
    ],
)
def test_a_declared_release_phase_is_run_and_seen_through(project: Project, phase: str, reason: str) -> None:
    project.change_config(("release_phase = ", f"release_phase = '{phase}' #"))
    said = accepted(project, {"Procfile": f"web: {SERVES}\nrelease: {phase}\n", "make.py": CREATES}, code=1)
    assert reason in "\n".join(said["reasons"])


def test_a_release_phase_that_prints_is_accepted_runs_and_stands_in_the_evidence(project: Project) -> None:
    phase = "bash -lc \"echo 'Release phase disabled by policy. Use make heroku-run-migrate'\""
    project.change_config(("release_phase = ", f"release_phase = '''{phase}''' #"))
    said = accepted(project, {"Procfile": f"web: {SERVES}\nrelease: {phase}\n"})
    assert said["details"]["release_phase"] == phase
    last = project.entries(f"package-{project.git('rev-parse', 'HEAD')}")[-1].record
    assert "release-phase.txt" in [one.name for one in last.evidence]
    project.json("release")
    project.json("deploy")
    (start,) = [e.record for e in project.entries() if e.record.kind == "start"]
    assert start.details["release_phase"] == phase
    project.json("evidence.audit")


def test_one_that_is_not_declared_is_refused_by_acceptance_and_deploy(project: Project) -> None:
    project.commit("Migrate on release", {"app/Procfile": f"web: {SERVES}\nrelease: make db\n"})
    for stage in ("intake", "build", "test"):
        project.json(stage)
    assert "release_phase_is_disabled" in project.json("accept", code=3)["line"]
    assert project.json("deploy", code=3)["line"] == "refused by release_phase_is_disabled"
    assert project.calls() == []


def test_a_sqlite_schema_is_its_objects_and_its_revision(tmp_path: Path) -> None:
    found = database(f"sqlite:///{tmp_path}/a%20 b.db", tmp_path)
    assert isinstance(found, Sqlite)
    assert found.schema() == {}
    assert not found.path.exists(), "looking makes nothing"
    with closing(sqlite3.connect(found.path)) as connection, connection:
        connection.execute("CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT, c UNIQUE)")
        connection.execute("CREATE INDEX i ON a (c)")
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('0001')")
    seen = found.schema()
    assert set(seen) == {"table a", "index i", "table alembic_version", "the revision"}
    with closing(sqlite3.connect(found.path)) as connection, connection:
        connection.execute("INSERT INTO a (c) VALUES (1)")
    assert found.schema() == seen, "rows are no schema"
    assert changes(seen, {**seen, "index i": "other", "view v": ""}) == "index i is another, view v is new"
    assert changes(seen, {}).count("is gone") == 4
    with found.empty() as url:
        assert database(url, tmp_path).schema() == {}
    found.path.write_bytes(b"no database" * 100)
    with pytest.raises(CheckFailed, match="cannot be read"):
        found.schema()


def test_a_database_of_another_kind_is_no_silent_pass(project: Project) -> None:
    for url in ("mysql://h/d", "sqlite://", "sqlite:///:memory:"):
        with pytest.raises(CheckFailed, match="cannot tell whether the app changes its schema"):
            database(url, Path())
    assert database("", Path()) is None


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL database whose role may create others."""
    if not INSTALLED:
        pytest.skip("PostgreSQL's server programs are not installed")
    path = Path(tempfile.mkdtemp(prefix="roadworthy-"))
    path.chmod(0o755)
    heroku = Client(control.up(path / "sandbox", apps=["one", "two"], database="postgres"))
    url = str(heroku.get("/apps/one/config-vars")["DATABASE_URL"])
    SUPERUSER.append((path / "sandbox" / "postgres-password").read_text().strip())
    yield url
    control.down(path / "sandbox")
    shutil.rmtree(path)


MAKES = (
    "CREATE TABLE t (id serial PRIMARY KEY, n text NOT NULL DEFAULT 'x')",
    "ALTER TABLE t ALTER n DROP NOT NULL",
    "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0)",
    "CREATE INDEX i ON t (n)",
    "CREATE VIEW v AS SELECT n FROM t",
    "CREATE TYPE mood AS ENUM ('well')",
    "ALTER TYPE mood ADD VALUE 'ill'",
    "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    "CREATE SCHEMA s",
    "CREATE TABLE s.t (id int)",
    "CREATE TABLE alembic_version (version_num text)",
    "INSERT INTO alembic_version VALUES ('0001')",
    "UPDATE alembic_version SET version_num = '0002'",
    "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    "DROP TABLE s.t",
)


def test_every_kind_of_change_is_seen_in_postgresql(server: str) -> None:
    found = database(server, Path())
    assert isinstance(found, Postgres)
    seen = found.schema()
    with psycopg.connect(server, autocommit=True) as connection:
        for sql in MAKES:
            connection.execute(sql)
            after = found.schema()
            assert changes(seen, after), sql
            seen = after
        connection.execute("INSERT INTO t (n) VALUES ('a')")
        assert found.schema() == seen, "rows are no schema"


def test_an_empty_database_beside_it_is_dropped_again_or_its_lack_is_said(server: str) -> None:
    found = database(server, Path())
    assert isinstance(found, Postgres)
    with pytest.raises(CheckFailed, match="CREATEDB") as refused, found.empty():
        pass
    assert server.rpartition("@")[0].rpartition(":")[2] not in str(refused.value)


def test_an_empty_database_beside_it_is_empty_and_gone_afterwards(server: str) -> None:
    port = server.rpartition("/")[0].rpartition(":")[2]
    found = database(f"postgresql+psycopg://sandbox:{SUPERUSER[0]}@127.0.0.1:{port}/one", Path())
    assert isinstance(found, Postgres)
    with found.empty() as url:
        assert url.startswith("postgresql+psycopg://sandbox:")
        beside = database(url, Path())
        assert isinstance(beside, Postgres)
        before = beside.schema()
        assert set(before) <= {"extension plpgsql"}
        with psycopg.connect(beside.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE users (id int)")
        assert changes(before, beside.schema()) == "table public.users is new"
    with pytest.raises(CheckFailed):
        beside.schema()
