"""A PostgreSQL cluster of the sandbox's own: its data in the sandbox's folder, loopback only, one database an app.

Invariants:
- The superuser's password is random, in a 0600 file, and never on a command line; there is no Unix socket.
- A role may connect to its own database only.
- PostgreSQL refuses to run as root, so root runs it as the user `postgres`; others run it as themselves.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from ...errors import UsageError
from ...processes import free_port
from .leftovers import MARKER

SUPERUSER = "sandbox"
START_DEADLINE = 20.0
STOP_DEADLINE = 10.0


@dataclass(frozen=True, slots=True)
class _Account:
    """Who runs the programs; None is whoever we are."""

    user: int | None
    group: int | None
    groups: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """A PostgreSQL server of its own on loopback; `password` is that of its superuser."""

    port: int
    password: str
    process: Process

    @classmethod
    async def start(cls, folder: Path, marker: str) -> PostgresCluster:
        """Run the cluster in `folder`, after making it where there is none.

        Raises UsageError when PostgreSQL is not installed, or cannot run here, saying why.
        """
        programs, account = _programs(), _account(folder)
        password = _password(folder)
        env = {"PATH": str(programs), "LC_ALL": "C.UTF-8", MARKER: marker}
        if not (folder / "data" / "PG_VERSION").exists():
            await _initialise(programs, folder, account, env, password)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": "",
            # An error's log line must not quote a statement, for one may hold a password.
            "log_min_error_statement": "panic",
        }
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "postgres.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                programs / "postgres", "-D", folder / "data", *words,
                stdin=DEVNULL, stdout=log, stderr=STDOUT, env=env, cwd=folder,
                user=account.user, group=account.group, extra_groups=account.groups,
            )  # fmt: skip
        cluster = cls(port, password, process)
        await cluster._ready(folder / "postgres.log")
        return cluster

    async def create(self, name: str, password: str) -> None:
        """A role and a database of that name, which only that role may use; harmless to repeat."""
        await asyncio.to_thread(self._create, name, password)

    async def drop(self, name: str) -> None:
        """Destroy the database and its role, whoever is connected."""
        await asyncio.to_thread(self._drop, name)

    async def stop(self) -> None:
        """A fast shutdown (SIGINT); an immediate one (SIGQUIT) when that takes too long."""
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with suppress(ProcessLookupError):
                self.process.send_signal(signum)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_DEADLINE)
                return

    def _create(self, name: str, password: str) -> None:
        role = Identifier(name)
        with self._connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
            verb = SQL("ALTER") if known else SQL("CREATE")
            connection.execute(SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, Literal(password)))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(role, role))
            connection.execute(SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))

    def _drop(self, name: str) -> None:
        with self._connect() as connection:
            connection.execute(SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(name)))
            connection.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(name)))

    def _connect(self) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=SUPERUSER,
            password=self.password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )

    async def _ready(self, log: Path) -> None:
        deadline = time.monotonic() + START_DEADLINE
        while True:
            if self.process.returncode is not None:
                raise UsageError(f"PostgreSQL did not start: {_last_line(log.read_bytes())} (see {log})")
            try:
                (await asyncio.to_thread(self._connect)).close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    await self.stop()
                    raise UsageError(
                        f"PostgreSQL did not answer in {START_DEADLINE:.0f} s (see {log})"
                    ) from error
                await asyncio.sleep(0.02)
            else:
                return


def _programs() -> Path:
    """The folder of PostgreSQL's server programs: by PATH, else the newest that Debian's packages hold."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    packaged = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    folders += sorted(packaged, key=lambda path: int("0" + path.parent.name.partition(".")[0]), reverse=True)
    if not folders:
        raise UsageError("PostgreSQL's server programs (initdb, postgres) are not installed: use sqlite")
    return folders[0]


def _account(folder: Path) -> _Account:
    """How to run the programs: as ourselves, or, where we are root, as `postgres` in a folder it can reach."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() != 0:
        return _Account(None, None, None)
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError as error:
        raise UsageError(
            "PostgreSQL refuses to run as root and there is no user postgres: use another user, or sqlite"
        ) from error
    folder.parent.chmod(0o711)
    for parent in folder.parents:
        if not parent.stat().st_mode & 0o001:
            raise UsageError(
                f"PostgreSQL refuses to run as root, and the user postgres may not enter {parent}: "
                "use another folder, another user, or sqlite"
            )
    for path in (folder, *folder.iterdir()):
        os.chown(path, entry.pw_uid, entry.pw_gid)
    return _Account(entry.pw_uid, entry.pw_gid, ())


def _password(folder: Path) -> str:
    path = folder.parent / "postgres-password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(24))
    return path.read_text()


async def _initialise(
    programs: Path,
    folder: Path,
    account: _Account,
    env: dict[str, str],
    password: str,
) -> None:
    """Make the cluster beside its place, then move it there, so that half a cluster is never taken for one."""
    part, secret = folder / "data.part", folder / "password.part"
    shutil.rmtree(part, ignore_errors=True)
    secret.touch(mode=0o600)
    secret.write_text(password)
    if account.user is not None and account.group is not None:
        os.chown(secret, account.user, account.group)
    try:
        process = await asyncio.create_subprocess_exec(
            programs / "initdb", "-D", part, f"--username={SUPERUSER}", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync", "--no-instructions",
            stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=env, cwd=folder,
                user=account.user, group=account.group, extra_groups=account.groups,
        )  # fmt: skip
        output, _ = await process.communicate()
    finally:
        secret.unlink()
    if process.returncode != 0:
        raise UsageError(f"PostgreSQL's initdb failed: {_last_line(output)}")
    part.rename(folder / "data")


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
