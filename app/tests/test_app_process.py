from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import COMMIT, PACKAGE, process

DECOY = "f" * 40


def unpacked(folder: Path) -> Path:
    """A package as the build makes it: the folder's files and COMMIT, somewhere else."""
    ignore = shutil.ignore_patterns("__pycache__", ".*")
    package = Path(shutil.copytree(PACKAGE, folder / "package", ignore=ignore))
    (package / "COMMIT").write_text(f"{COMMIT}\n")
    return package


def test_the_version_is_the_commit_in_the_package_and_no_config_var_can_change_it(tmp_path: Path) -> None:
    config = dict.fromkeys(("GIT_SHA", "COMMIT", "SOURCE_VERSION", "HEROKU_SLUG_COMMIT", "VERSION"), DECOY)
    config |= {"DATABASE_URL": f"sqlite:///{tmp_path}/app.db", "ENV": "production"}
    with process(unpacked(tmp_path), config) as (running, client):
        health = client.get("/api/health").json()
        version = client.get("/api/version").json()
        page = client.get("/").text
        running.send_signal(signal.SIGTERM)
        output, errors = running.communicate(timeout=10)
    assert version["gitSha"] == version["version"] == health["version"] == COMMIT
    assert health["environment"] == "prod"
    assert COMMIT in page and DECOY not in page
    assert (running.returncode, errors) == (-signal.SIGTERM, "")  # uvicorn ends, then by the signal itself
    assert "Traceback" not in output


def test_a_request_under_way_is_finished_when_the_platform_says_stop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        config = {"DATABASE_URL": f"postgres://u:p@127.0.0.1:{hanging.getsockname()[1]}/d"}
        with process(PACKAGE, config) as (running, client), ThreadPoolExecutor() as pool:
            asking = pool.submit(client.get, "/api/health")
            with hanging.accept()[0]:  # the app is asking its database now
                running.send_signal(signal.SIGTERM)
                output = iter(running.stdout or ())
                assert any("Waiting for connections to close" in line for line in output)
            assert asking.result().status_code == 503
            running.communicate(timeout=10)


def test_nothing_that_is_slow_to_load_stands_before_the_first_answer() -> None:
    code = (
        "import sys, capecontrol.web; print(sorted({'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"


def test_the_release_phase_changes_no_schema_and_says_how_to() -> None:
    commands = dict(line.split(": ", 1) for line in (PACKAGE / "Procfile").read_text().splitlines())
    assert commands["web"] == "python -m capecontrol"
    ended = subprocess.run(commands["release"], shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert "make heroku-run-migrate" in ended.stdout
    assert "alembic" not in commands["release"] and "upgrade" not in commands["release"]
