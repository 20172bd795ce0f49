"""Who holds an environment. An open `start` is the lock, its `seq` the fencing token; nothing else locks.

No clock ends a hold. A holder may be passed over without being asked only when it is *proven* dead. Here that
is: same host, same boot and same process namespace as ours, and its process is gone or its number belongs to a
process that started at another time (execution/holding.py also asks CI). What cannot be told counts as alive.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from ..errors import Held
from .entry import Entry

ACTED: Final = ("start", "end", "failed", "abandon")
"""The kinds of entries that begin something or settle it."""
_PROC = Path("/proc")
_STATE, _STARTED = 0, 19
"""Where proc(5) has a process's state and start time (ticks since boot), counted after its name."""


class Holder(msgspec.Struct, frozen=True):
    """The process behind an open start, as it described itself; what it did not say is empty or 0."""

    place: str
    action: str
    token: int
    since: str
    user: str
    host: str
    boot_id: str
    pid_namespace: str
    pid: int
    started: int
    ci_url: str
    ci_run: str
    ci_attempt: int

    @property
    def rerun(self) -> bool:
        """Whether it is a CI run that was started again."""
        return self.ci_attempt > 1

    def __str__(self) -> str:
        where = self.ci_url or f"{self.host or 'an unknown host'} (pid {self.pid or 'unknown'})"
        return f"{self.user or 'somebody'} at {where} since {self.since} for {self.action} #{self.token}"


class Fate(NamedTuple):
    """Does a holder live? None when nobody can tell. `said` tells what is known of it."""

    alive: bool | None = None
    said: str = ""

    @property
    def dead(self) -> bool:
        """Only what is *proven* dead is."""
        return self.alive is False


UNTOLD: Final = Fate()
"""Nobody was asked."""


class HeldBy(Held):
    """Another release holds the environment; `holder` says which, `waited` for how many seconds in vain."""

    def __init__(self, holder: Holder, fate: Fate = UNTOLD, waited: float = 0.0) -> None:
        super().__init__(held(holder, fate, waited))
        self.holder = holder


def held(holder: Holder, fate: Fate = UNTOLD, waited: float = 0.0) -> str:
    """What every command says that meets an open start: which it is, whose, since when, and what to do."""
    after = f" after {waited:g} s still" if waited else ""
    known = f"; {fate.said}" if fate.said else ""
    return f"{holder.place} is{after} held by {holder}{known}: {to_do(holder, fate)}"


def to_do(holder: Holder, fate: Fate) -> str:
    """How to go on past an open start: wait for the living, look at what the dead left, else ask a person."""
    name = holder.place.rpartition("/")[2]
    commit = name.removeprefix("package-")
    package = commit != name
    wait = "wait" if package else "wait, as with `--wait 10m`"
    if fate.alive:
        return wait
    # Of a package nothing has to be looked for: whoever comes next gives up what a dead one left (on_package.py).
    look = "run its command again" if package else f"run `invoke reconcile --env {name}`"
    if fate.dead:
        return look if package else f"its outcome is unknown, {look}"
    where = f"--commit {commit}" if package else f"--env {name}"
    unlock = f"`invoke lock.unlock {where} --token {holder.token} --reason …`"
    return f"{wait}, or if it is surely dead: {look} on its machine, else {unlock}"


def holder(entry: Entry) -> Holder:
    """Who wrote the open start `entry`. Reads leniently: what is missing or malformed counts as unknown."""
    actor = entry.record.details.get("actor")
    actor = actor if isinstance(actor, Mapping) else {}
    ci = actor.get("ci")
    ci = ci if isinstance(ci, Mapping) else {}
    return Holder(
        place=f"{entry.record.target}/{entry.record.environment}",
        action=entry.record.action,
        token=entry.seq,
        since=entry.at,
        user=_text(actor.get("user")),
        host=_text(actor.get("host")),
        boot_id=_text(actor.get("boot_id")),
        pid_namespace=_text(actor.get("pid_namespace")),
        pid=_number(actor.get("pid")),
        started=_number(actor.get("started")),
        ci_url=_text(ci.get("url")),
        ci_run=_text(ci.get("run_id")),
        ci_attempt=_number(ci.get("attempt")),
    )


def is_rerun() -> bool:
    """Whether this process belongs to a CI run that was started again."""
    return int(this_process().get("ci", {}).get("attempt", 1)) > 1


def this_process() -> dict[str, Any]:
    """What a start records as its `actor`: enough to find the process, and to prove later that it is gone."""
    import getpass

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid {os.getuid()}"
    pid = os.getpid()
    about = _about(_PROC / str(pid) / "stat")
    actor: dict[str, Any] = {
        "user": user,
        "host": os.uname().nodename,
        "boot_id": _boot_id(),
        "pid_namespace": _pid_namespace(),
        "pid": pid,
        "started": int(about[_STARTED]) if about else 0,
    }
    env = os.environ
    if env.get("GITHUB_ACTIONS") == "true" and env.get("GITHUB_RUN_ID"):
        run = env["GITHUB_RUN_ID"]
        url = f"{env.get('GITHUB_SERVER_URL', '')}/{env.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
        attempt = env.get("GITHUB_RUN_ATTEMPT", "")
        actor["ci"] = {
            "url": url,
            "run_id": run,
            "attempt": int(attempt) if re.fullmatch("[0-9]{1,9}", attempt) else 1,
        }
    return actor


def lives(holder: Holder) -> bool | None:
    """Does the holder's process run? None when that cannot be seen from here."""
    ours = (os.uname().nodename, _boot_id(), _pid_namespace())
    if not all(ours) or ours != (holder.host, holder.boot_id, holder.pid_namespace):
        return None
    if holder.pid <= 0 or holder.started <= 0:
        return None
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it lives, under another user
    about = _about(_PROC / str(holder.pid) / "stat")
    if not about:
        return None
    return int(about[_STARTED]) == holder.started and not _is_zombie(holder.pid)


def seen_here(holder: Holder) -> Fate:
    """What this machine alone sees of the holder's process."""
    alive = lives(holder)
    if alive is None:
        return Fate(None, "whether it still runs cannot be seen from here")
    return Fate(alive, "that process runs" if alive else "that process is gone")


def _is_zombie(pid: int) -> bool:
    """Killed and not yet reaped by its parent. Its first thread may end before others do, so ask them all."""
    tasks = [_about(task / "stat") for task in (_PROC / str(pid) / "task").glob("*")]
    return bool(tasks) and all(about and about[_STATE] in "ZX" for about in tasks)


def _about(stat: Path) -> list[str]:
    try:
        # The name stands in brackets and may itself hold brackets and blanks.
        return stat.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _boot_id() -> str:
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if type(value) is int else 0
