"""`migrate.py upgrade head`, `current`, `heads` and `history --verbose`, in Alembic's words: a linear chain."""

# Importing pathlib would double the time that this app takes to boot.
# ruff: noqa: PTH100, PTH118, PTH120, PTH123, PTH207, RUF100

import contextlib
import glob
import os
import re
import signal
import sqlite3
import sys
import time

from mood import DATABASE, HERE, mood


def chain():
    found, files = {}, {}
    for path in glob.glob(os.path.join(HERE, "migrations", "*.py")):
        with open(path) as file:
            text = file.read()
        down = re.search(r'^down_revision = (?:"(\w+)"|None)$', text, re.M)[1]
        found[down] = re.search(r'^revision = "(\w+)"$', text, re.M)[1]
        files[found[down]] = path
    order, at = [], None
    while at in found:
        at = found[at]
        order.append(at)
    return order, files


def tell(what, order, files):
    """The heads, or the history as `--verbose` prints it."""
    for number, revision in reversed([*enumerate(order)]):
        mark = " (head)" if revision == order[-1] else ""
        if what == "history":
            parent = order[number - 1] if number else "<base>"
            print(f"Rev: {revision}{mark}\nParent: {parent}\nPath: {files[revision]}\n\n    \n")
        elif mark:
            print(revision + mark)


def main():
    said, (order, files) = mood(), chain()
    if sys.argv[1] in ("heads", "history"):
        tell(sys.argv[1], order, files)
        return
    print("INFO  [alembic.runtime.migration] Context impl SQLiteImpl.", file=sys.stderr, flush=True)
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=10)) as database, database:
        database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
        at = next(iter(row[0] for row in database.execute("SELECT version_num FROM alembic_version")), None)
        if at is not None and at not in order:
            sys.exit(f"FAILED: Can't locate revision identified by '{at}'")
        if sys.argv[1] == "current":
            if at:
                print(at + (" (head)" if at == order[-1] else ""))
            return
        for revision in order[order.index(at) + 1 if at else 0 :]:
            print(f"INFO  [alembic.runtime.migration] Running upgrade {at or ''} -> {revision}", flush=True)
            time.sleep(said.get("migrate_seconds", 0))
            if said.get("migrate_fails_at") == revision:
                sys.exit(f"sqlalchemy.exc.OperationalError: no such column (migration {revision})")
            if said.get("migrate_is_killed_at") == revision:
                os.kill(os.getpid(), signal.SIGKILL)
            database.execute("DELETE FROM alembic_version")
            database.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
            database.commit()
            at = revision
            if at == sys.argv[2]:
                break
        if back := said.get("each_migration_goes_back_to"):
            seen = database.execute("CREATE TABLE IF NOT EXISTS runs (n)").connection
            seen.execute("INSERT INTO runs VALUES (1)")
            if seen.execute("SELECT count(*) FROM runs").fetchone()[0] % 2 == 0:
                database.execute("UPDATE alembic_version SET version_num = ?", (back,))


main()
