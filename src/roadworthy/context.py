"""What a command works with: the project's configuration, where it leaves things, and how it reaches out.

Everything is opened when it is first used, so that a command pays only for what it needs. The sandbox signs
with a key of its own that it alone trusts; nothing it signed can ever open the live target.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from .config import Config, decode
from .errors import Planned, UsageError
from .model import Paths
from .toml import read_bytes

if TYPE_CHECKING:
    from .journal.entry import Entry
    from .journal.known import Known
    from .journal.log import Log
    from .journal.sign import Signer, Trust
    from .journal.store import Store
    from .model import Request
    from .platforms.base import Platform
    from .report.terminal import Screen

TARGET: Final = (
    "ROADWORTHY_TARGET"  # may say "sandbox" and nothing else: it points away from live, never to it
)
STATE: Final = "ROADWORTHY_STATE"  # the sandbox's state in another folder than .release: a rehearsal's
KEY_TEXT: Final = "ROADWORTHY_SIGNING_KEY"  # a private key's text, for CI
KEY_FILE: Final = "ROADWORTHY_SIGNING_KEY_FILE"


class Context:
    """`root` is the project's folder; `environ` the process environment; `screen` is where people look.

    With `planning` (`--plan`) nothing is written: no entry, no file, no cache, and no process runs on the platform.
    """

    def __init__(
        self,
        root: Path,
        screen: Screen,
        environ: Mapping[str, str] | None = None,
        *,
        planning: bool = False,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        from .keys import load_env

        self.process_environ = dict(os.environ if environ is None else environ)
        self.environ = load_env(root, self.process_environ)
        self._root = root
        self.screen = screen
        self.planning = planning
        self.now = now
        self.asked: Request | None = None  # what a person asked for, once it is known
        self._logs: dict[str, Log] = {}
        self._settled: dict[str, Log] = {}
        self.is_whole = (
            False  # no environment's journal lacks what is known of it, as far as this command looked
        )

    @cached_property
    def _release_toml(self) -> bytes:
        return read_bytes(self._root)

    @cached_property
    def policy_files(self) -> Mapping[str, bytes]:
        """The bytes that decide over a release, by their paths: read once, for what was judged is what counts."""
        from .policy_files import read_files

        return read_files(self._root, self._release_toml)

    @cached_property
    def config(self) -> Config:
        """`release.toml`, with the target that ROADWORTHY_TARGET may have moved to the sandbox."""
        config = decode(self._release_toml)
        said = self.process_environ.get(TARGET)
        if said is None:
            return config
        if said != "sandbox":
            raise UsageError(
                f"{TARGET} may only say 'sandbox', not {said[:40]!r}: release.toml names the target"
            )
        return msgspec.structs.replace(config, target=said)

    @cached_property
    def paths(self) -> Paths:
        """The project's folder and its state. A live target has one journal only: another folder is refused."""
        said = self.process_environ.get(STATE)
        if said and self.target != "sandbox":
            raise UsageError(f"{STATE} is for the sandbox: on target {self.target} it would hide the journal")
        return Paths(self._root, self._root / (said or ".release"))

    def changes(self, what: str) -> None:
        """Call this before the first change that a command makes. Raises Planned with `what` when only planning."""
        if self.planning:
            raise Planned(what)

    @property
    def target(self) -> str:
        """The target that every command of this process acts on."""
        return self.config.target

    @property
    def evidence(self) -> Path:
        """EVIDENCE_DIR, where logs and reports go."""
        said = self.environ.get("EVIDENCE_DIR", "")
        return self.paths.root / said if said else self.paths.state / "logs"

    @property
    def artifacts(self) -> Path:
        """The contract's files: `.artifacts` of the project, or a rehearsal's own."""
        state = self.paths.state
        return self.paths.root / ".artifacts" if state.name == ".release" else state / "artifacts"

    @cached_property
    def platform(self) -> Platform:
        """The driver of the target."""
        from .platforms.base import open_platform

        return open_platform(self.config, self.paths, self.environ)

    @cached_property
    def signer(self) -> Signer | None:
        """The key that signs journal entries; None on a live target without one: the journal is read-only."""
        from .journal.sign import load_signer, own_key, signer_from_text, throwaway_key

        if self.target == "sandbox":
            folder = self.paths.state / "keys"
            if self.planning and not (folder / "sandbox.pub").exists():
                return throwaway_key()  # nothing was signed yet, and nothing will be
            return own_key(folder, "sandbox")
        if text := self.process_environ.get(KEY_TEXT):
            return signer_from_text(text)
        if self.environ.get(KEY_TEXT):
            raise UsageError(f"{KEY_TEXT} is set in .env: a private key must not be in the project")
        if said := self.environ.get(KEY_FILE):
            place = self._root / Path(said).expanduser()
            if place.resolve().is_relative_to(self._root.resolve()):
                raise UsageError(f"{KEY_FILE} names a file in the project: a private key must not be there")
            return load_signer(place)
        return None

    @cached_property
    def trust(self) -> Trust:
        """Whose entries are believed: `.release/trust` of the project, or the folder of the sandbox's own key."""
        from .journal.sign import Trust

        if self.target == "sandbox":
            if self.signer is None:
                raise UsageError("the sandbox has no signing key")
            return Trust.load(self.paths.state / "keys")  # all of it, as both audits read it
        return Trust.load(self.paths.root / ".release" / "trust")

    def say_who_can_write(self, places: Iterable[str]) -> None:
        """A line for each folder of these journals in which every user of the machine may write."""
        from .journal.store import Folder

        if isinstance(self.store, Folder):
            for path in dict.fromkeys(path for place in places for path in self.store.open_to_all(place)):
                shown = self.shown(path)
                self.screen.line(f"every user of this machine can write in {shown}: chmod o-w {shown}")

    def shown(self, path: Path) -> str:
        """A path as people see it: from the project's folder where it lies in it."""
        return str(path.relative_to(self._root) if path.is_relative_to(self._root) else path)

    @cached_property
    def store(self) -> Store:
        """Where the journal is: `[journal]` of release.toml, or a folder.

        The sandbox keeps to its folder, so that a rehearsal needs no network and no credentials. Told to use
        the store, each stays below a folder of its own there; one with a state of its own never does.
        """
        from .journal.store import Folder

        journal, sandbox = self.config.journal, self.target == "sandbox"
        if not journal.store or (sandbox and (not journal.sandbox or self.process_environ.get(STATE))):
            return Folder(self.paths.journal)
        from .journal.objects import open_bucket

        # Each sandbox is a platform of its own, which its key names.
        key = hashlib.sha256(self.signer.keyid.encode()).hexdigest()[:12] if sandbox and self.signer else ""
        return open_bucket(journal, f"sandbox/{key}" if sandbox else "")

    @property
    def shares_journal(self) -> bool:
        """Whether other machines write this journal, too: then files beside it are not on all of them."""
        from .journal.store import Folder

        return not isinstance(self.store, Folder) or self.paths.journal.is_symlink()

    def log(self, place: str, known: Known | None = None) -> Log:
        """The journal of an environment of the target, or of `package-<commit>`.

        It is held against all that is known of it; with `known` only against that, and every entry is verified.
        Until this command has written something one that was opened before goes on: it asks only for what came.
        """
        if known:
            return self._open(place, known)
        if place not in self._logs:
            self._logs[place] = self._open(place)
        return self._logs[place]

    def _open(self, place: str, known: Known | None = None) -> Log:
        from .journal.index import Index, state_folder
        from .journal.log import Log

        folder = state_folder(self.process_environ, self.paths.root)
        name = self._name_of(place)
        return Log(
            self.store,
            environment=place,
            target=self.target,
            signer=None if self.planning else self.signer,  # without one it can only be read
            trust=self.trust,
            clock=self.now,
            index=Index(folder, name, self.trust, keep=not self.planning) if folder and not known else None,
            known=known or self.known(place),
            on_written=self._written,
        )

    def _written(self, log: Log, entry: Entry) -> None:
        """Whoever asks for a journal after this reads it anew, and holds it against all that is known of it."""
        from .journal.entry import SETTLING

        self._logs.clear()
        if entry.record.kind in SETTLING:
            self._settled[log.environment] = log

    def pack(self, seconds: float) -> None:
        """Put into packs what is old in the journals where this command settled something, in about so long.

        It only saves others time, so whatever goes wrong with it is left to whoever settles something next.
        """
        until = time.monotonic() + seconds
        for log in self._settled.values():
            with contextlib.suppress(Exception):
                log.pack(lambda: time.monotonic() < until)

    def _name_of(self, place: str) -> str:
        return f"{self.store.place} {self.config.journal.endpoint} {self.target}/{place}"

    def known(self, place: str) -> Known:
        """What is known of a journal outside of its store; nothing of one in a state folder of its own.

        A live target has one journal: what was read in another store counts, too. The sandbox's has its key's.
        """
        from .journal.anchor import newest
        from .journal.index import state_folder
        from .journal.known import Known, Memory
        from .lost import newest_on_platform, refuse_if_any_lost

        if self.process_environ.get(STATE):
            return Known()
        if place not in self.config.environments:
            return Known(before_writing=lambda: refuse_if_any_lost(self))
        folder = state_folder(self.process_environ, self.paths.root)
        name, log = self._name_of(place), f"{self.target}/{place}"
        sandbox = self.target == "sandbox"
        names = (f"{name} {self.trust.digest}",) if sandbox else (name, f"{self._root.resolve()} {log}")
        return Known(
            Memory(folder, names, keep=not self.planning) if folder else None,
            anchored=lambda: newest(self.paths.root, log),
            released=lambda: newest_on_platform(self, place),
        )
