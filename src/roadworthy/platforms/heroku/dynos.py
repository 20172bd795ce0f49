"""What Heroku's dynos do: how they start, what a one-off ends with, what they say."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from ...config import Limits
from ...errors import CheckFailed, OutcomeUnknown, RoadworthyError, Unreachable
from ...mask import Mask
from ...model import Receipt
from ...wait import until
from .api import Api, known, millis

LOG_LINES: Final = 1500  # what Heroku keeps and gives at most (Platform API, log session: lines)
LAST_LINES: Final = 12  # of a dead process, in the message
OUTPUT_LINES: Final = 200  # of a one-off process, in its receipt
SKEW: Final = timedelta(seconds=5)  # between the clocks of the platform's API and its log
_LINE: Final = re.compile(r"^(\S+) (app|heroku)\[([^\]]+)\]: (.*)$")
_EXIT: Final = re.compile(r"^Process exited with status (\d+)$")


class Dynos:
    """The dynos of apps; `mask` hides an app's secrets, `poll` is seconds between looks."""

    def __init__(self, api: Api, limits: Limits, poll: float, mask: Callable[[str], Mask]) -> None:
        self._api, self._limits, self._poll, self._mask = api, limits, poll, mask

    def boot(self, app: str, version: int) -> None:
        """Wait until every process of the app is of this release and up; one that died ends the wait."""
        wanted = sum(int(f["quantity"]) for f in self._api.get(f"/apps/{app}/formation"))

        def up() -> bool | None:
            dynos = [d for d in self._api.get(f"/apps/{app}/dynos") if d["type"] not in ("run", "release")]
            ours = [d for d in dynos if int(d["release"]["version"]) == version]
            dead = next((d for d in ours if d["state"] == "crashed"), None)
            if dead:
                tail = self.last_lines(app, str(dead["name"]))
                raise CheckFailed(f"{dead['name']} of {app} died while starting v{version}\n{tail}")
            here = len(ours) == len(dynos) and len(ours) >= wanted
            return True if here and all(d["state"] == "up" for d in ours) else None

        if not until(up, within=self._limits.boot, every=self._poll):
            late = f"v{version} of {app} is not up after {self._limits.boot:.0f} s"
            raise CheckFailed(f"{late}\n{self.last_lines(app)}")

    def run(self, app: str, command: str, *, again: bool = False) -> Receipt:
        """Run a one-off process to its end; its exit status stands in the log, and no line is unknown.

        `again` says that the command only reads, so that it may run twice when an answer is lost. What it says
        is kept without the app's config vars, which are read first: what cannot be masked is not run. As it stands
        before a rollback, too, it may take no longer than processes to start (`limits.boot`).
        """
        within = min(self._limits.oneoff, self._limits.boot) if again else self._limits.oneoff
        try:
            mask = self._mask(app)
        except Unreachable as error:
            raise CheckFailed(f"{error}; so {command!r} was not run") from error
        started = time.monotonic()
        body = {"command": command, "attach": False, "type": "run"}
        made = self._api.write("POST", f"/apps/{app}/dynos", body, again=again)
        dyno = str(made["name"])
        # Names are drawn from 9,000 and come again: what an older one-off of this name logged is not ours.
        begins = f"{datetime.fromisoformat(str(made['created_at'])) - SKEW:%Y-%m-%dT%H:%M:%S}"
        output: list[str] = []

        def ended() -> int | None:
            output.clear()
            for line in self._api.lines(app, lines=LOG_LINES, dyno=dyno, tail=True):
                if time.monotonic() - started > within:
                    return None  # a process that talks all the time meets its bound, too
                match = _LINE.match(line)
                if match is None or match[3] != dyno or match[1] < begins:
                    continue
                if match[2] == "app":
                    output.append(mask(match[4]))
                elif status := _EXIT.match(match[4]):
                    return int(status[1])
            return None

        status = known(app, lambda: until(ended, within=within, every=self._poll))
        if status is None:
            raise OutcomeUnknown(f"{dyno} of {app} left no exit status within {within:.0f} s")
        return Receipt(command, millis(started), exit_status=status, output=tuple(output[-OUTPUT_LINES:]))

    def logs(self, app: str, since: datetime) -> Sequence[bytes]:
        """The app's log lines; raises CheckFailed when they do not reach back to `since`."""
        lines = [line.encode() for line in self._api.lines(app, lines=LOG_LINES)]
        oldest = _LINE.match(lines[0].decode()) if lines else None
        if not oldest:
            raise CheckFailed(f"the log of {app} is empty or not in logplex form")
        if len(lines) >= LOG_LINES and datetime.fromisoformat(oldest[1]) > since:
            raise CheckFailed(
                f"the log of {app} no longer reaches back to the release ({since:%Y-%m-%dT%H:%M:%SZ}): "
                f"the platform keeps {LOG_LINES} lines"
            )
        return lines

    def last_lines(self, app: str, dyno: str = "") -> str:
        """The end of the log, for a message."""
        try:
            mask, lines = self._mask(app), list(self._api.lines(app, lines=100, dyno=dyno))
        except RoadworthyError as error:
            return f"  ({error})"
        return "\n".join(f"  {mask(line)}" for line in lines[-LAST_LINES:])
