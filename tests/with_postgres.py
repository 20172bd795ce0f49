"""Run a command with DATABASE_URL_POSTGRES naming a throw-away PostgreSQL, where a server is installed.

    python tests/with_postgres.py COMMAND…

Where none is installed the command runs without it, and the tests that need it say why they are skipped.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from roadworthy.errors import UsageError
from roadworthy.sandbox.processes.postgres import SUPERUSER, PostgresCluster


async def main(command: list[str]) -> int:
    """The command's own exit code."""
    with tempfile.TemporaryDirectory(prefix="roadworthy-postgres-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # PostgreSQL runs as another user when we are root
        try:
            cluster = await PostgresCluster.start(folder, secrets.token_hex(16))
        except UsageError as error:
            print(f"without PostgreSQL: {error}", file=sys.stderr)
            return subprocess.run(command, check=False).returncode
        url = f"postgres://{SUPERUSER}:{cluster.password}@127.0.0.1:{cluster.port}/postgres"
        try:
            run = await asyncio.create_subprocess_exec(
                *command, env={**os.environ, "DATABASE_URL_POSTGRES": url}
            )
            return await run.wait()
        finally:
            await cluster.stop()


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
