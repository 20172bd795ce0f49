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
        user = self.user or "unknown user"
        where = self.ci_url or f"{self.host or 'unknown host'}, pid {self.pid or 'unknown'}"
        by = f"{user}, {where}" if self.ci_url else f"{user}@{where}"
        return f"{self.action} #{self.token} ({by}, since {self.since})"


class Fate(NamedTuple):
    """Whether a holder is alive (None: unknown), and in `said` how that is known."""

    alive: bool | None = None
    said: str = ""

    @property
    def dead(self) -> bool:
        """Whether the holder is proven to be dead; a holder of unknown fate is not."""
        return self.alive is False


UNTOLD: Final = Fate()
"""The fate of a holder that was not looked up."""


class HeldBy(Held):
    """Another release holds the environment; `holder` says which, `waited` for how many seconds in vain."""

    def __init__(self, holder: Holder, fate: Fate = UNTOLD, waited: float = 0.0) -> None:
        super().__init__(held(holder, fate, waited))
        self.holder = holder


def held(holder: Holder, fate: Fate = UNTOLD, waited: float = 0.0) -> str:
    """The message about an open start, in every command: which action, whose, since when, and what to do next."""
    known = f": {fate.said}" if fate.said else ""
    if fate.dead:
        return f"{holder.place}: {holder} did not finish{known}; {to_do(holder, fate)}"
    still = f"still locked after {waited:g} s" if waited else "locked"
    return f"{holder.place} is {still} by {holder}{known}; {to_do(holder, fate)}"


def to_do(holder: Holder, fate: Fate) -> str:
    """What to do about an open start: wait for a live holder, reconcile after a dead one, else ask a person."""
    name = holder.place.rpartition("/")[2]
    commit = name.removeprefix("package-")
    package = commit != name
    wait = "wait until it ends" if package else "wait for it, for example with `--wait 10m`"
    if fate.alive:
        return wait
    # An action on a package changes nothing outside the journal: the next command abandons it (on_package.py).
    look = "run its command again" if package else f"run `invoke reconcile --env {name}`"
    if fate.dead:
        return look if package else f"to find out what happened, {look}"
    where = f"--commit {commit}" if package else f"--env {name}"
    unlock = f"`invoke lock.unlock {where} --token {holder.token} --reason …`"
    return f"{wait}; if you know that it is dead, {look} on its machine, or {unlock} anywhere"


def holder(entry: Entry) -> Holder:
    """Who wrote the open start `entry`. Missing or malformed fields count as unknown."""
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
    """The holder's fate as far as this machine can see."""
    alive = lives(holder)
    if alive is None:
        return Fate(None, "this machine cannot see whether it still runs")
    return Fate(alive, "its process is running" if alive else "its process is gone")


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
