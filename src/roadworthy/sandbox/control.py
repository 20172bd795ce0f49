"""Start, ask and end a sandbox: what tasks, tests and drivers call. Imports no server.

Invariants:
- Whether a server runs is told by the lock it holds, and which process it is by pid *and* start time; a pid
  file alone is never trusted.
- `down` leaves no process of the sandbox behind, also when the server itself was killed.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from ..compatibility import PROCESSES
from ..errors import CheckFailed, UsageError
from ..mask import Masked
from ..processes import start_time
from ..wait import until
from .processes.leftovers import sweep

LOCK_FILE, SERVER_FILE, KEY_FILE, LOG_FILE = "server.lock", "server.json", "api-key", "server.log"
START_DEADLINE = 30.0
STOP_DEADLINE = 20.0
POLL = 0.01


class Address(Masked, frozen=True):
    """Where a sandbox answers; `api_key` is a secret."""

    HIDES = ("api_key",)

    url: str
    api_key: str
    pid: int


class AppStatus(msgspec.Struct, frozen=True):
    """One app of the running sandbox; `release` is the number of the release it runs, None before the first."""

    name: str
    web_url: str
    release: int | None
    processes: Mapping[str, str] = msgspec.field(name=PROCESSES)
    """State (`starting`, `up`, `crashed`, `down`) by name (`web.1`)."""


class Status(msgspec.Struct, frozen=True):
    """The running sandbox: its address, its process and its apps."""

    url: str
    pid: int
    apps: tuple[AppStatus, ...]


def up(
    folder: Path,
    *,
    apps: Sequence[str] = (),
    database: str = "sqlite",
    port: int = 0,
    boot_timeout: float = 60.0,
    registry: str = "",
    forwarded: Mapping[str, str] | None = None,
) -> Address:
    """A running sandbox on this folder with these apps; starts it, or finds the one that runs.

    `database` is what apps made from now on get: `sqlite` or `postgres`. `port` 0 means the one of last time,
    or any free one. `registry` is the host of a registry on this machine, whose images may be released.
    `forwarded` is the address, by app, whose scheme and host the app is told; "": its own here.

    Raises UsageError when the port is taken or the folder cannot be used, CheckFailed when the server does
    not come up.
    """
    if not 0 <= port <= 65535:
        raise UsageError(f"port {port} cannot be used: ports are 0 (any) to 65535")
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"the sandbox's folder {folder} cannot be used: {error.strerror}") from error
    with _one_at_a_time(folder):
        address = _running(folder)
        if address is None:
            address = _start(folder, database, port, boot_timeout, registry)
        elif port and address.url.rpartition(":")[2] != str(port):
            raise UsageError(f"the sandbox already runs at {address.url}: take it down to change its port")
        known = {app["name"] for app in _call(address, "GET", "/_sandbox")["apps"]}
        for name in apps:
            if name not in known:
                _call(address, "POST", "/apps", {"name": name})
        if forwarded is not None:
            _call(address, "PUT", "/_sandbox/forwarded", dict(forwarded))
    return address


def down(folder: Path) -> bool:
    """End the server and all it started; False when there was nothing to end.

    Raises CheckFailed when a process cannot be ended.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        return False
    with _one_at_a_time(folder):
        pid = _server_pid(folder)
        if pid is not None:
            _end(folder, pid)
        from .processes.postmaster import end_postmaster

        left = [end_postmaster(folder / "postgres" / "data"), *sweep(marker_of(folder))]
        (folder / SERVER_FILE).unlink(missing_ok=True)
    return pid is not None or any(left)


def status(folder: Path) -> Status | None:
    """What runs; None when no server does."""
    address = _running(folder.resolve())
    if address is None:
        return None
    apps = _call(address, "GET", "/_sandbox")["apps"]
    return Status(address.url, address.pid, msgspec.convert(apps, tuple[AppStatus, ...]))


def find(folder: Path) -> Address | None:
    """The address of the server on this folder; None when none runs."""
    return _running(folder.resolve())


def set_faults(folder: Path, faults: Sequence[Mapping[str, object]]) -> None:
    """Replace all armed faults; the fields are those of `faults.Fault`. Raises UsageError for a wrong one."""
    _call(address(folder.resolve()), "PUT", "/_sandbox/faults", list(faults))


def clear_faults(folder: Path) -> None:
    """Disarm all faults. Raises UsageError when the sandbox is not running."""
    set_faults(folder, [])


def get_faults(folder: Path) -> list[dict[str, Any]]:
    """The faults that are still armed, with the calls each has left."""
    found: list[dict[str, Any]] = _call(address(folder.resolve()), "GET", "/_sandbox/faults")
    return found


def marker_of(folder: Path) -> str:
    """The mark that every process of the sandbox on this folder carries in its environment."""
    return hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:32]


def address(folder: Path) -> Address:
    """The address of the server on this folder. Raises UsageError when none runs."""
    here = _running(folder)
    if here is None:
        raise UsageError(f"no sandbox runs on {folder}: start one with `invoke sandbox.up`").then(
            "invoke sandbox.up"
        )
    return here


def _running(folder: Path) -> Address | None:
    pid = _server_pid(folder)
    if pid is None:
        return None
    try:
        url = json.loads((folder / SERVER_FILE).read_text())["url"]
        return Address(url, (folder / KEY_FILE).read_text().strip(), pid)
    except OSError:
        return None  # it ended while we looked


def _server_pid(folder: Path) -> int | None:
    """The server's pid, where one holds the lock and is the process that said so."""
    if not _is_locked(folder):
        return None
    try:
        told = json.loads((folder / SERVER_FILE).read_text())
    except (OSError, ValueError):
        return None
    pid = int(told["pid"])
    return pid if start_time(pid) == told["started"] else None


def _is_locked(folder: Path) -> bool:
    try:
        with (folder / LOCK_FILE).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _start(folder: Path, database: str, port: int, boot_timeout: float, registry: str) -> Address:
    args = [sys.executable, "-m", "roadworthy.sandbox", str(folder), "--port", str(port)]
    args += ["--database", database, "--boot-timeout", str(boot_timeout), "--registry", registry]
    source = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    log = folder / LOG_FILE
    log.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        args,
        {**os.environ, "PYTHONPATH": search},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )

    def answering() -> Address | None:
        done, code = os.waitpid(pid, os.WNOHANG)
        if done:
            words = log.read_text("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            kind = UsageError if os.waitstatus_to_exitcode(code) == UsageError.code else CheckFailed
            raise kind(f"the sandbox did not start: {words[-1]} (see {log})")
        return _running(folder)

    if address := until(answering, within=START_DEADLINE, every=POLL):
        return address
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    raise CheckFailed(f"the sandbox did not answer within {START_DEADLINE:.0f} s (see {log})")


def _end(folder: Path, pid: int) -> None:
    for signum, patience in ((signal.SIGTERM, STOP_DEADLINE), (signal.SIGKILL, 5.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
        if until(lambda: None if _is_locked(folder) else True, within=patience, every=POLL):
            with suppress(ChildProcessError):  # ours to reap only if we started it
                os.waitpid(pid, 0)
            return
    raise CheckFailed(f"the sandbox's server {pid} does not end")


def _call(address: Address, method: str, path: str, body: object = None) -> Any:
    """One API call. Raises UsageError for a refusal (4xx), CheckFailed when there is no good reply."""
    host, _, port = address.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    headers = {"Authorization": f"Bearer {address.api_key}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise CheckFailed(f"the sandbox at {address.url} did not answer {method} {path}: {error}") from error
    finally:
        connection.close()
    if response.status >= 400:
        kind = UsageError if response.status < 500 else CheckFailed
        raise kind(f"the sandbox refused {method} {path}: {content.get('message', response.status)}")
    return content


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Only one `up` or `down` works on a folder; a second waits for the first."""
    with (folder / "control.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
