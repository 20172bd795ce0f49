from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from capecontrol.database import Postgres, Sqlite
from capecontrol.settings import SettingsError, commit_of, read
from conftest import COMMIT, PACKAGE

SQLITE = {"DATABASE_URL": "sqlite:////tmp/app.db"}


@pytest.mark.parametrize("named", ["dev", "test", "staging", "prod"])
def test_an_environment_is_called_what_env_says(named: str) -> None:
    assert read({**SQLITE, "ENV": named}).environment == named


def test_production_is_another_word_for_prod() -> None:
    assert read({**SQLITE, "ENV": "production"}).environment == "prod"


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("sqlite:////srv/app.db", Sqlite("/srv/app.db")),
        ("sqlite:///app.db", Sqlite("app.db")),
        ("postgres://u:p@h:5432/d", Postgres("postgresql://u:p@h:5432/d")),
        ("postgresql://u:p%40@h/d?sslmode=require", Postgres("postgresql://u:p%40@h/d?sslmode=require")),
    ],
)
def test_a_database_is_what_database_url_names(url: str, database: object) -> None:
    assert read({"DATABASE_URL": url}).database == database


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"DATABASE_URL": "mysql://u:hunter2@h/d"}, "DATABASE_URL has an unknown scheme"),
        ({"DATABASE_URL": "hunter2"}, "DATABASE_URL has an unknown scheme"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL names no SQLite file"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL names no SQLite file"),
        ({"DATABASE_URL": "postgres://u:hunter2@h:many/d"}, "DATABASE_URL is malformed"),
        ({"DATABASE_URL": "postgres://u:hunter2@h"}, "DATABASE_URL is malformed"),
        ({"DATABASE_URL": "postgres://u:hunter2%@h/d"}, "DATABASE_URL is malformed"),
        ({**SQLITE, "ENV": "prd"}, "ENV is 'prd'"),
        ({**SQLITE, "PORT": "http"}, "PORT is 'http'"),
        ({**SQLITE, "PORT": "70000"}, "PORT is '70000'"),
    ],
)
def test_what_is_missing_or_malformed_is_said_in_one_line_without_secrets(
    config: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=f"^{says}") as caught:
        read(config)
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


def test_a_process_that_cannot_start_says_one_line_and_ends_with_2() -> None:
    config = {**SQLITE, "ENV": "prd"}
    command = [sys.executable, "-m", "capecontrol"]
    ended = subprocess.run(command, cwd=PACKAGE, env=config, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("capecontrol: ENV is 'prd'")


def test_the_settings_show_no_secret() -> None:
    shown = repr(read({"DATABASE_URL": "postgres://u:hunter2@h/d", "SECRET_KEY": "hunter3"}))
    assert "hunter" not in shown


def test_the_commit_is_the_one_in_the_package(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == "unknown"
    (tmp_path / "COMMIT").write_text(f"{COMMIT}\n")
    assert commit_of(tmp_path) == COMMIT


@pytest.mark.parametrize(
    "written", ["", "abc", COMMIT[:12], COMMIT + "0", COMMIT.upper(), "é" * 40, "x" * 99999]
)
def test_a_malformed_commit_is_unknown(tmp_path: Path, written: str) -> None:
    (tmp_path / "COMMIT").write_text(written)
    assert commit_of(tmp_path) == "unknown"
