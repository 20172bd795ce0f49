"""Heroku, by its Platform API: the sandbox and the real one are the same code with another address.

heroku3 reads; what it lacks or sends against Heroku's own schema (slugs, releases with a description, one-off
dynos, maintenance, log sessions) goes through the same session. Sources: Heroku Platform API reference and
its JSON hyper-schema.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..config import Limits
from ..errors import CheckFailed, OutcomeUnknown, RoadworthyError, Unreachable, UsageError
from ..mask import Mask
from ..model import (
    Dyno,
    Maintenance,
    Observed,
    Package,
    PlatformRelease,
    Receipt,
    ReleasePackage,
    RunCommand,
    Step,
)
from ..packages import procfile
from ..packages import slug as slugs
from ..wait import until
from . import Progress
from .heroku_api import Api

if TYPE_CHECKING:
    import requests

T = TypeVar("T")
LOG_LINES: Final = 1500  # what Heroku keeps and gives at most (Platform API, log session: lines)
RELEASES: Final = 30  # how far back releases are read; Heroku destroys artifacts beyond 20
LAST_LINES: Final = 12  # of a dead process, in the message
OUTPUT_LINES: Final = 200  # of a one-off process, in its receipt
SKEW: Final = timedelta(seconds=5)  # between the clocks of the platform's API and its log
LOOK: Final = 2.0  # seconds to look for an effect whose answer was lost
_LINE: Final = re.compile(r"^(\S+) (app|heroku)\[([^\]]+)\]: (.*)$")
_EXIT: Final = re.compile(r"^Process exited with status (\d+)$")


class Heroku:
    """The driver. `poll` is seconds between looks; `urls` are public addresses by app."""

    def __init__(self, api: str, key: str, *, limits: Limits, poll: float, urls: Mapping[str, str]) -> None:
        self._api = Api(api, key, limits)
        self._key = key
        self._limits = limits
        self._poll = poll
        self._urls = urls

    # ---- reads ---------------------------------------------------------------------------------------

    def url(self, app: str) -> str:
        return self._urls.get(app) or str(self._api.get(f"/apps/{app}")["web_url"]).rstrip("/")

    def observe(self, app: str) -> Observed:
        here = self._app(app)
        releases = self._releases(here)
        dynos = self._api.read(here.dynos, f"dynos of {app}")
        seen = Observed(
            url=self._urls.get(app) or str(here.web_url).rstrip("/"),
            maintenance=bool(here.maintenance),
            releases=releases,
            dynos=tuple(Dyno(d.name, d.type, d.state, int(d.release.version or 0), d.command) for d in dynos),
        )
        digest, commit = self.package_of(app, seen.current) if seen.current else ("", "")
        return replace(seen, digest=digest, commit=commit)

    def package_of(self, app: str, release: PlatformRelease) -> tuple[str, str]:
        if not release.slug:
            return "", ""
        slug = self._api.get(f"/apps/{app}/slugs/{release.slug}", missing_ok=True)
        if slug is None:
            return "", ""
        return str(slug["checksum"] or "").removeprefix("SHA256:"), str(slug["commit"] or "")

    def find(self, app: str, token: str) -> PlatformRelease | None:
        releases = self._releases(self._app(app))
        return next((r for r in releases if r.description.endswith(f"({token})")), None)

    def query(self, app: str, command: str) -> Receipt:
        return self._run(app, command, again=True)

    def logs(self, app: str, since: datetime) -> Sequence[bytes]:
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

    def config(self, app: str) -> Mapping[str, str]:
        here = self._app(app)
        values: dict[str, str] = self._api.read(lambda: here.config().to_dict(), f"config of {app}")
        return values

    def mask(self, app: str) -> Mask:
        return Mask((*self.config(app).values(), self._key))

    def take_attempts(self) -> list[dict[str, Any]]:
        return self._api.take_attempts()

    # ---- the one verb that changes -------------------------------------------------------------------

    def apply(self, app: str, step: Step, *, token: str, progress: Progress) -> Receipt:
        match step:
            case ReleasePackage():
                return self._release(app, step, token, progress)
            case RunCommand():
                return self._run(app, step.command)
            case Maintenance():
                started = time.monotonic()
                self._api.write("PATCH", f"/apps/{app}", {"maintenance": step.on}, again=True)
                return Receipt(f"maintenance {'on' if step.on else 'off'}", _millis(started))

    def _release(self, app: str, step: ReleasePackage, token: str, progress: Progress) -> Receipt:
        started = time.monotonic()
        commit = step.package.commit[:8]
        try:
            slug = step.slug or self._upload(app, step.package, progress)
        except (Unreachable, OutcomeUnknown) as error:  # a slug that is not released changes nothing
            raise CheckFailed(f"the package was not uploaded, so nothing was released: {error}") from error
        progress(f"releasing {commit}")
        version = self._create_release(app, slug, f"Deploy {commit} ({token})", token)
        progress(f"v{version} is released, waiting for it to settle")
        self._known(app, lambda: self._settle(app, version))
        progress(f"v{version} is starting")
        self._known(app, lambda: self._boot(app, version))
        return Receipt("release", _millis(started), release=version, slug=slug)

    def _upload(self, app: str, package: Package, progress: Progress) -> str:
        """Give the platform the package's bytes. A slug does nothing until released: repeating is harmless."""
        if not package.file:
            raise CheckFailed(f"neither the platform nor this machine has the package {package.digest[:12]}")
        file = Path(package.file)
        with file.open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != package.digest:
                raise CheckFailed(f"{file.name} is not the package {package.digest[:12]}: it was altered")
        progress(f"uploading {package.size:,} bytes")
        body = {
            "process_types": procfile.processes((slugs.read(file, "Procfile") or b"").decode()),
            "checksum": f"SHA256:{package.digest}",
            "commit": package.commit,
        }
        slug = self._api.write("POST", f"/apps/{app}/slugs", body, again=True)

        def send(session: requests.Session) -> requests.Response:
            with file.open("rb") as stream:
                return session.put(slug["blob"]["url"], data=stream)

        self._api.put(send, f"upload of {file.name}")
        return str(slug["id"])

    def _create_release(self, app: str, slug: str, description: str, token: str) -> int:
        """Release a slug once. A lost or broken answer is looked up by the token, never simply repeated."""
        body = {"slug": slug, "description": description}
        try:
            return int(self._api.write("POST", f"/apps/{app}/releases", body)["version"])
        except OutcomeUnknown as error:
            within = min(LOOK, self._limits.release)
            look = self._known(
                app, lambda: until(lambda: self.find(app, token), within=within, every=self._poll)
            )
            if look is None:
                raise OutcomeUnknown(f"{error}; no release of {app} carries {token!r} so far") from error
            return look.version

    def _settle(self, app: str, version: int) -> None:
        """Wait for the platform's own verdict; `pending` at the deadline is unknown, not success."""

        def terminal() -> str | None:
            status = str(self._api.get(f"/apps/{app}/releases/{version}")["status"])
            return status if status != "pending" else None

        status = until(terminal, within=self._limits.release, every=self._poll)
        if status is None:
            raise OutcomeUnknown(f"v{version} of {app} is still pending after {self._limits.release:.0f} s")
        if status != "succeeded":
            raise CheckFailed(f"v{version} of {app} {status}, says the platform\n{self._last_lines(app)}")

    def _boot(self, app: str, version: int) -> None:
        """Wait until every process of the app is of this release and up; one that died ends the wait."""
        wanted = sum(int(f["quantity"]) for f in self._api.get(f"/apps/{app}/formation"))

        def up() -> bool | None:
            dynos = [d for d in self._api.get(f"/apps/{app}/dynos") if d["type"] not in ("run", "release")]
            ours = [d for d in dynos if int(d["release"]["version"]) == version]
            dead = next((d for d in ours if d["state"] == "crashed"), None)
            if dead:
                tail = self._last_lines(app, str(dead["name"]))
                raise CheckFailed(f"{dead['name']} of {app} died while starting v{version}\n{tail}")
            here = len(ours) == len(dynos) and len(ours) >= wanted
            return True if here and all(d["state"] == "up" for d in ours) else None

        if not until(up, within=self._limits.boot, every=self._poll):
            late = f"v{version} of {app} is not up after {self._limits.boot:.0f} s"
            raise CheckFailed(f"{late}\n{self._last_lines(app)}")

    # ---- one-off processes and logs ------------------------------------------------------------------

    def _run(self, app: str, command: str, *, again: bool = False) -> Receipt:
        """Run a one-off process to its end; its exit status stands in the log, and no line is unknown.

        `again` says that the command only reads, so that it may run twice when an answer is lost. What it says
        is kept without the app's config vars, which are read first: what cannot be masked is not run.
        """
        try:
            mask = self.mask(app)
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
                if time.monotonic() - started > self._limits.oneoff:
                    return None  # a process that talks all the time meets its bound, too
                match = _LINE.match(line)
                if match is None or match[3] != dyno or match[1] < begins:
                    continue
                if match[2] == "app":
                    output.append(mask(match[4]))
                elif status := _EXIT.match(match[4]):
                    return int(status[1])
            return None

        status = self._known(app, lambda: until(ended, within=self._limits.oneoff, every=self._poll))
        if status is None:
            raise OutcomeUnknown(f"{dyno} of {app} left no exit status within {self._limits.oneoff:.0f} s")
        return Receipt(command, _millis(started), exit_status=status, output=tuple(output[-OUTPUT_LINES:]))

    def _last_lines(self, app: str, dyno: str = "") -> str:
        try:
            mask, lines = self.mask(app), list(self._api.lines(app, lines=100, dyno=dyno))
        except RoadworthyError as error:
            return f"  ({error})"
        return "\n".join(f"  {mask(line)}" for line in lines[-LAST_LINES:])

    def _known(self, app: str, look: Callable[[], T]) -> T:
        """After an effect, not being able to look is not a failure: it is unknown."""
        try:
            return look()
        except (Unreachable, UsageError) as error:
            raise OutcomeUnknown(f"{error}; {app} was changed and cannot be looked at now") from error

    # ---- heroku3 -------------------------------------------------------------------------------------

    def _app(self, app: str) -> Any:
        client = self._api.client()
        return self._api.read(lambda: client.app(app), f"app {app}")

    def _releases(self, here: Any) -> tuple[PlatformRelease, ...]:
        found = self._api.read(
            lambda: here.releases(order_by="version", limit=RELEASES, sort="desc"), f"releases of {here.name}"
        )
        return tuple(
            PlatformRelease(
                version=int(r.version),
                status=str(r.status),
                current=bool(r.current),
                slug=str(r.slug.id or "") if r.slug else "",
                description=str(r.description or ""),
                user=str(r.user.email or "") if r.user else "",
                created_at=r.created_at,
            )
            for r in sorted(found, key=lambda r: -int(r.version))
        )


def _millis(started: float) -> int:
    return round(1000 * (time.monotonic() - started))
