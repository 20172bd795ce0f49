"""`python -m capecontrol.revision` says what the database says."""

import os
import subprocess
import sys

from conftest import PACKAGE, Migrate


def ask(url: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": url}
    command = [sys.executable, "-m", "capecontrol.revision"]
    return subprocess.run(command, cwd=PACKAGE, env=environ, capture_output=True, text=True, check=False)


def test_it_says_nothing_before_the_first_migration_and_then_the_revision(
    database_url: str, migrate: Migrate
) -> None:
    assert (ask(database_url).returncode, ask(database_url).stdout) == (0, "")
    migrate(database_url, "0002")
    assert ask(database_url).stdout == "0002\n"


def test_a_database_that_is_away_is_one_line_and_no_revision() -> None:
    done = ask("sqlite:////nowhere/at/all.db")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("capecontrol: the database is away: ")
    assert ask("").returncode == 2
