from __future__ import annotations

import ast
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from capecontrol.database import parse
from conftest import PACKAGE, PATIENCE, Migrate, Serve, wait_until
from sqlalchemy.exc import DBAPIError

FILES = sorted((PACKAGE / "migrations" / "versions").glob("*.py"))
LOCK = "SELECT pg_advisory_lock(hashtext('capecontrol.migrations'))"
EVERY = ("base", "0001", "0002", "0003")


def declared(file: Path) -> dict[str, Any]:
    """The literal values that a migration assigns at module level, read without running it."""
    return {
        target.id: ast.literal_eval(node.value)
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run one statement as code that knows nothing of this app would."""
    with closing(parse(url).connect(5)) as connection:
        cursor = connection.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return [tuple(row) for row in rows]


def columns(url: str) -> set[str]:
    with closing(parse(url).connect(5)) as connection:
        return {column[0] for column in connection.execute("SELECT * FROM work_orders").description}


def upgrade(url: str) -> subprocess.Popen[str]:
    """`alembic upgrade head`, as a one-off process of its own."""
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    output = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=PACKAGE, env=environ, stdout=output, stderr=subprocess.STDOUT, text=True
    )


def waits(process: subprocess.Popen[str], url: str) -> bool:
    """Whether a process has come to the lock (SQLite: to the file); it must not end before it."""
    assert process.poll() is None, process.communicate()
    if url.startswith("postgres"):
        return len(query(url, "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")) == 2
    opened = Path(f"/proc/{process.pid}/fd")  # elsewhere than on Linux the two just start together
    return not opened.exists() or any(leads_to(file, Path(parse(url).path)) for file in opened.iterdir())


def leads_to(opened: Path, file: Path) -> bool:
    """Whether a descriptor is of this file; one that was closed meanwhile is of none."""
    try:
        return opened.resolve() == file
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_migration_declares_what_it_is_safe_under(file: Path) -> None:
    values = declared(file)
    assert values["safe_under"] in ("expand", "contract", "irreversible")
    assert values["code_first"] in (True, False)
    assert file.name.startswith(values["revision"])


def test_the_chain_is_linear_and_has_one_head() -> None:
    script = ScriptDirectory(PACKAGE / "migrations")
    assert script.get_heads() == ["0003"]
    assert [step.revision for step in script.walk_revisions()] == ["0003", "0002", "0001"]


@pytest.mark.parametrize("revision", EVERY)
def test_this_code_runs_at_every_revision(
    serve: Serve, migrate: Migrate, database_url: str, revision: str
) -> None:
    client = serve(database_url)
    if revision != "base":
        migrate(database_url, revision)
    expected = None if revision == "base" else revision
    assert client.get("/api/health").json()["database_revision"] == expected
    assert client.get("/api/version").json()["databaseRevision"] == expected
    assert client.get("/api/auth/csrf").status_code == 200
    assert client.get("/api/auth/me").status_code == 401
    assert (revision == "base") == ("not migrated yet" in client.get("/").text)
    assert add(client, "Brakes").status_code == (503 if revision == "base" else 303)
    if revision != "base":
        assert add(client, "Lights").status_code == 303
        form = {"csrf_token": client.cookies["csrf_token"]}
        assert client.post("/work-orders/1/done", data=form).status_code == 303
        page = client.get("/").text
        assert "Brakes" in page and page.count("Mark done") == 2  # the button's name and its label


def test_one_process_lives_through_every_migration(serve: Serve, migrate: Migrate, database_url: str) -> None:
    client = serve(database_url)
    for revision in EVERY[1:]:
        migrate(database_url, revision)
        assert add(client, f"Added at {revision}").status_code == 303
    assert all(f"Added at {revision}" in client.get("/").text for revision in EVERY[1:])


def test_what_older_code_wrote_until_the_last_moment_is_kept(
    serve: Serve, migrate: Migrate, database_url: str
) -> None:
    """Between 0002 and 0003 code from before 0002 may still run: it knows is_done and no status."""
    client = serve(database_url)
    migrate(database_url, "0001")
    add(client, "Brakes")
    add(client, "Lights")
    migrate(database_url, "0002")
    query(database_url, "UPDATE work_orders SET is_done = TRUE WHERE id = 1")
    before = client.get("/").text
    migrate(database_url, "0003")
    assert query(database_url, "SELECT status FROM work_orders ORDER BY id") == [("done",), ("open",)]
    assert before.count("Mark done") == client.get("/").text.count("Mark done") == 2


@pytest.mark.parametrize(("revision", "kept"), [("0002", {"status", "priority"}), ("0001", {"title"})])
def test_an_expanding_migration_can_be_taken_back(
    migrate: Migrate, database_url: str, revision: str, kept: set[str]
) -> None:
    migrate(database_url, revision)
    assert kept <= columns(database_url)
    migrate(database_url, "-1")
    assert revision == "0001" or not kept & columns(database_url)


def test_the_irreversible_migration_refuses_to_be_taken_back(migrate: Migrate, database_url: str) -> None:
    migrate(database_url, "head")
    with pytest.raises(CommandError, match="0003 cannot be undone"):
        migrate(database_url, "-1")
    assert parse(database_url).revision(5) == "0003"


def test_a_migration_that_fails_leaves_nothing_half_done(migrate: Migrate, database_url: str) -> None:
    migrate(database_url, "0001")
    query(database_url, "ALTER TABLE work_orders ADD COLUMN priority TEXT")  # 0002 adds status before it
    with pytest.raises(DBAPIError, match="priority"):
        migrate(database_url, "head")
    assert parse(database_url).revision(5) == "0001"
    assert "status" not in columns(database_url)


def test_of_two_processes_that_migrate_at_once_one_does_it_and_both_end_well(database_url: str) -> None:
    with closing(parse(database_url).connect(5)) as holder:
        holder.execute(LOCK if database_url.startswith("postgres") else "BEGIN IMMEDIATE")
        running = [upgrade(database_url), upgrade(database_url)]
        wait_until(lambda: all(waits(process, database_url) for process in running))
        holder.commit()
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    migrated = ["migrated base -> 0001", "migrated 0001 -> 0002", "migrated 0002 -> 0003"]
    assert sorted(output.splitlines() for output in outputs) == [[], migrated]


@pytest.mark.parametrize(
    ("url", "says"), [("", "DATABASE_URL is not set"), ("mysql://u:hunter2@h/d", "scheme")]
)
def test_alembic_says_in_one_line_what_is_wrong_with_database_url(
    migrate: Migrate, url: str, says: str
) -> None:
    with pytest.raises(CommandError, match=says) as caught:
        migrate(url, "head")
    assert "hunter2" not in str(caught.value)


def add(client: httpx.Client, title: str) -> httpx.Response:
    token = client.get("/api/auth/csrf").json()["token"]
    form = {"title": title, "asset": "Truck 7", "priority": "urgent", "csrf_token": token}
    return client.post("/work-orders", data=form)
