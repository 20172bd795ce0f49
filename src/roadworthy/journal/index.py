"""The index: how far this machine has verified a log, and what was settled up to there.

It saves time and decides nothing. It can be removed at any moment and is made again from the entries, and
neither auditor reads it. It is believed only under these conditions; else it is as if there were none:

- It is a file of ours that nobody else may read or write, in the state folder of this user, never in the
  project, and it carries a MAC by a key that lies beside it. Who writes the project or the store cannot make one.
- It names its log, the version of this code, and a digest of every key and rule that judged the entries.
  Another policy, a new key or a revocation: everything is verified again.

It is one head with that MAC, and behind it what was settled, in pieces whose digests the head names: a piece is
read when somebody looks at it, for few commands look further back than the last one. In the place of one that
does not have its digest the entries are read and verified.

Then the head that it names must be in the store, byte for byte. That digest stands for all entries before it
(each names the one before), so what the index says of them is what was verified, whatever lies in the store now.
A head that is gone or another one means that the store was cut off or put back: that is an error, not a rebuild.
Everything after that head is read and verified as ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, overload

import msgspec

from .. import __version__
from ..compatibility import ARTIFACT
from ..model import Claim, digest_of
from .chain import State
from .claims import claim, components_of, of_component
from .entry import Entry
from .kept import Kept, Own
from .policy import Named
from .sign import Trust

WORTH = 100
"""Entries beyond the index that are worth writing it anew; verifying them takes about 20 ms on a folder."""
LONG = 5000
"""Entries of a log that takes longer to list than to note that it was listed."""
PIECE = 1000
"""Rows that are decoded at once."""
_FORM = f"11 {__version__}"  # a newer version may judge more strictly, so it judges again


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is so of one component, of several: as the fields of Settled."""

    component: str
    digest: str
    size: int
    release: int
    artifact: str
    claim: Claim | None
    saw: int = 0


class Settled(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an `end`, `failed` or `abandon` says about what is so now; "" and 0 where it does not say."""

    seq: int
    sha256: str
    at: str
    kind: str
    action: str
    environment: str
    digest: str  # of the package, as are commit and size
    commit: str
    size: int
    release: int  # the platform's number; 0 of one that it failed
    artifact: str
    package: str  # its kind
    certificate: str  # a certificate's file name, the sha256 of its text, and its end
    certificate_sha256: str
    expires: str
    revised: bool  # does it say where the database is? None in `revision` is an empty database
    revision: str | None
    claim: Claim | None  # what a start that was given up may have made
    closed: bool  # was it to turn maintenance mode on?
    deployment: int  # the number of the deployment that a completion is about
    parts: tuple[Part, ...] = ()
    saw: int = 0  # the newest release when its start was written

    def of(self, component: str) -> Settled | None:
        """What it says of one component; None when it is not about that."""
        part = next((part for part in self.parts if part.component == component), None)
        if part is None:
            return None
        return msgspec.structs.replace(
            self,
            digest=part.digest if self.digest else "",
            size=part.size,
            release=part.release,
            artifact=part.artifact,
            claim=part.claim,
            parts=(),
            saw=part.saw,
        )

    def only(self, components: Sequence[str]) -> Settled:
        """A copy limited to these components."""
        parts = tuple(part for part in self.parts if part.component in components)
        if len(parts) == len(self.parts):
            return self
        digest = digest_of({part.component: part.digest for part in parts}) if self.digest and parts else ""
        size = sum(part.size for part in parts)
        return msgspec.structs.replace(self, digest=digest, size=size, parts=parts)


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """PIECE rows, or the last ones, as they lie in the file: how many bytes, and their sha256."""

    size: int
    sha256: bytes


class Checkpoint(msgspec.Struct, frozen=True, array_like=True):
    """Where a log stood. `open` is number and digest of the open start, (0, "") for none."""

    form: str
    log: str
    trust: str
    seq: int
    sha256: str
    at: str
    policy: Named
    clock: str
    open: tuple[int, str]
    lost: tuple[tuple[int, int], ...]
    settled: list[Piece]


class Rows(Sequence[Settled]):
    """What was settled, in order: pieces of PIECE, read when somebody looks at them, and what came later."""

    def __init__(
        self,
        pieces: Sequence[Callable[[], list[Settled]] | list[Settled]],
        later: Sequence[Settled] = (),
    ) -> None:
        self._pieces: list[Callable[[], list[Settled]] | list[Settled]] = [*pieces]
        self._later = later

    def followed_by(self, later: Sequence[Settled]) -> Rows:
        """The same and, after it, these. What was read of either need not be read again."""
        rows = Rows([], (*self._later, *later))
        rows._pieces = self._pieces
        return rows

    def __len__(self) -> int:
        full = max(len(self._pieces) - 1, 0)
        return full * PIECE + len(self._piece(full)) + len(self._later)

    def __iter__(self) -> Iterator[Settled]:
        for number in range(len(self._pieces)):
            yield from self._piece(number)
        yield from self._later

    def __reversed__(self) -> Iterator[Settled]:
        yield from reversed(self._later)
        for number in reversed(range(len(self._pieces))):
            yield from reversed(self._piece(number))

    @overload
    def __getitem__(self, index: int) -> Settled: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Settled, ...]: ...

    def __getitem__(self, index: int | slice) -> Settled | tuple[Settled, ...]:
        at = range(len(self))[index]
        if isinstance(at, range):
            return tuple(self[one] for one in at)
        number, place = divmod(at, PIECE)
        if number < len(self._pieces) and place < len(self._piece(number)):
            return self._piece(number)[place]
        return self._later[at - len(self)]

    def _piece(self, number: int) -> list[Settled]:
        if number >= len(self._pieces):
            return []
        piece = self._pieces[number]
        if not isinstance(piece, list):
            piece = self._pieces[number] = piece()
        return piece


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """What a listing found behind entry `after`: only entries, to `last`. It holds while the folder has `stamp`."""

    form: str
    log: str
    stamp: str
    after: int
    last: int


_LISTED = msgspec.msgpack.Decoder(Listed)
_ROWS = msgspec.msgpack.Decoder(list[Settled])
_CHECKPOINT = msgspec.msgpack.Decoder(Checkpoint)


class Index(Kept):
    """The checkpoint of one log in one store (`log` names both) as `trust` judges it, in `folder`."""

    def __init__(self, folder: Path, log: str, trust: Trust, *, keep: bool = True) -> None:
        """It is only read, and never written, unless it may `keep` what it learns."""
        super().__init__(folder, keep=keep)
        self._log, self._trust = log, trust.digest
        self.path = folder / f"{hashlib.sha256(log.encode()).hexdigest()[:32]}.index"
        self._listing = self.path.with_suffix(".listed")

    def load(self, again: Callable[[int], Sequence[Settled]]) -> tuple[Checkpoint, Rows] | None:
        """The checkpoint and what was settled up to there; None when there is none that can be believed.

        A piece that the disk spoiled is found when somebody looks at it. Then `again` tells what was settled up
        to the entry of that number, from the entries, and the index is made anew.
        """
        found = self.believed(self.path, _CHECKPOINT)
        if found is None:
            return None
        said, file, at = found
        pieces = list[Callable[[], list[Settled]] | list[Settled]]()
        for number, piece in enumerate(said.settled):
            pieces.append(partial(self._piece, said, number, file, at, again))
            at += piece.size
        bound = (_FORM, self._log, self._trust)
        if (said.form, said.log, said.trust) != bound or at != file.size:
            return None
        if pieces:  # every command looks at the last one
            last = _decoded(file, at - said.settled[-1].size, said.settled[-1])
            if last is None:
                return None
            pieces[-1] = last
        return said, Rows(pieces)

    def save(self, state: State, settled: Sequence[Settled]) -> None:
        """Keep where the log stands. Where that is not possible (no space, no right) it goes on without."""
        start = (state.open.seq, state.open.sha256) if state.open else (0, "")
        where = (state.seq, state.sha256, state.at, state.policy, state.clock, start, state.lost)
        self._write(Checkpoint(_FORM, self._log, self._trust, *where, settled=[]), settled)

    def listed(self, stamp: str, after: int) -> int | None:
        """The last entry's number, when the folder was listed behind `after` since it has this stamp."""
        found = self.believed(self._listing, _LISTED) if stamp else None
        if found is None:
            return None
        said, _, _ = found
        same = (said.form, said.log, said.stamp) == (_FORM, self._log, stamp)
        return said.last if same and said.after <= after <= said.last else None

    def note_listed(self, stamp: str, after: int, last: int) -> None:
        """Keep that with this stamp the entries behind `after` were listed. Listing a short log again is faster."""
        if stamp and last >= LONG:
            self.keep(self._listing, Listed(_FORM, self._log, stamp, after, last))

    def _piece(
        self,
        said: Checkpoint,
        number: int,
        file: Own,
        at: int,
        again: Callable[[int], Sequence[Settled]],
    ) -> list[Settled]:
        found = _decoded(file, at, said.settled[number])
        if found is None:
            rows = again(said.seq)
            self._write(said, rows)
            found = [*rows[number * PIECE : (number + 1) * PIECE]]
        return found

    def _write(self, said: Checkpoint, settled: Sequence[Settled]) -> None:
        rows, every = list[bytes](), iter(settled)
        while piece := [*islice(every, PIECE)]:
            rows.append(msgspec.msgpack.encode(piece))
        pieces = [Piece(len(data), hashlib.sha256(data).digest()) for data in rows]
        self.keep(self.path, msgspec.structs.replace(said, settled=pieces), b"".join(rows))


def settled_by(entry: Entry, start: Entry) -> Settled:
    """What the index keeps of an entry that settles `start`."""
    record, said = entry.record, entry.record.details
    to = said.get("to")
    to = to if isinstance(to, Mapping) else {}
    certificate = _text(said.get("certificate"))
    revision = said.get("revision")
    gone = record.kind == "abandon"
    return Settled(
        seq=entry.seq,
        sha256=entry.sha256,
        at=entry.at,
        kind=record.kind,
        action=record.action,
        environment=record.environment,
        digest=record.digest,
        commit=_text(to.get("commit")),
        size=_number(to.get("size")),
        release=_ran(to),
        artifact=_text(to.get(ARTIFACT)),
        package=record.subject.partition(":")[0],
        certificate=certificate,
        certificate_sha256=next((e.sha256 for e in record.evidence if e.name == certificate), ""),
        expires=_text(said.get("expires")),
        revised="revision" in said,
        revision=revision if isinstance(revision, str) else None,
        claim=claim(start) if gone else None,
        closed=bool(start.record.details.get("maintenance")),
        deployment=_number(said.get("deployment")),
        parts=tuple(_part(name, to, start, gone) for name in components_of(start)),
        saw=_saw(start),
    )


def _saw(start: Entry, component: str = "") -> int:
    return _number(of_component(start.record.details.get("from"), component).get("newest"))


def _part(name: str, to: Mapping[str, Any], start: Entry, given_up: bool) -> Part:
    said = of_component(to, name)
    return Part(
        component=name,
        digest=_text(said.get("digest")),
        size=_number(said.get("size")),
        release=_ran(said),
        artifact=_text(said.get(ARTIFACT)),
        claim=claim(start, name) if given_up else None,
        saw=_saw(start, name),
    )


def _ran(to: Mapping[str, Any]) -> int:
    """The release that may run; 0 of one that the platform failed, which never did."""
    return 0 if to.get("status") == "failed" else _number(to.get("release"))


def state_folder(environ: Mapping[str, str], project: Path) -> Path | None:
    """Where this user's programs keep what may be lost; None where there is no such place outside the project."""
    said = Path(environ.get("XDG_STATE_HOME", ""))
    home = Path(environ.get("HOME", ""))
    folder = said if said.is_absolute() else home / ".local" / "state" if home.is_absolute() else None
    if folder is None or folder.resolve().is_relative_to(project.resolve()):
        return None
    return folder / "roadworthy"


def _decoded(file: Own, at: int, piece: Piece) -> list[Settled] | None:
    """The rows of a piece; None when its bytes are others than the head says."""
    try:
        data = file.read(at, piece.size)
        return _ROWS.decode(data) if hashlib.sha256(data).digest() == piece.sha256 else None
    except (OSError, msgspec.DecodeError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int:
    return value if type(value) is int else 0
