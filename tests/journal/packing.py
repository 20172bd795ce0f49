"""A journal that is long enough for packs, a store that counts what it is asked for, and packs that are wrong."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from bench_long import AT, chain, proofs_of

from roadworthy.errors import UsageError
from roadworthy.journal.entry import Record
from roadworthy.journal.log import Log
from roadworthy.journal.store import Folder

from .making import log_of, record, signer_of

PLACE, PACKS = "sandbox/prod", "packs/sandbox/prod"


class Far(Folder):
    """A folder that is believed to be far. `asked` are the names that were read; `refuse` names what is denied."""

    far = True

    def __init__(self, root: Path, refuse: str = "-") -> None:
        super().__init__(root)
        self.asked: list[str] = []
        self.refuse = refuse

    def put(self, name: str, data: bytes) -> bool:
        self._denied(name)
        return super().put(name, data)

    def get_all(self, names: Iterable[str], limit: int) -> Iterator[bytes | None]:
        def noted() -> Iterator[str]:
            for name in names:
                self._denied(name)
                self.asked.append(name)
                yield name

        return super().get_all(noted(), limit)

    def names(self, prefix: str, after: str = "") -> list[str]:
        self._denied(prefix)
        return super().names(prefix, after)

    def _denied(self, name: str) -> None:
        if name.startswith(self.refuse):
            raise UsageError(f"cannot read {name}: the credentials do not allow it (403)")


def for_ever() -> bool:
    return True


def long(root: Path, count: int = 101, seed: str = "") -> Path:
    """A journal of production below `root` in which each deploy names three proofs of a package of its own."""
    target, signer = root / "journal" / "sandbox", signer_of(root)
    target.mkdir(parents=True)

    def deploys() -> Iterator[tuple[Record, str]]:
        for number in range(count // 2):
            commit = f"{seed}{number:040x}"[:40] if not seed else f"{seed}{number:0{40 - len(seed)}x}"
            place = f"package-{commit}"
            ends = [
                *chain(
                    target / place, signer, proofs_of(commit, ["test", "accept", "release"], place, "sandbox")
                )
            ]
            named = [
                {"action": e.record.action, "environment": place, "seq": e.seq, "sha256": e.sha256}
                for e in ends[1::2]
            ]
            about = {"subject": f"slug:{commit}", "digest": commit.zfill(64)}
            yield record("start", proofs=named, **about), AT
            yield record("end", settles=0, **about), AT
        if count % 2:
            yield record("note"), AT

    for _ in chain(target / "prod", signer, deploys()):
        pass
    return root


def packed(root: Path) -> Far:
    """The store of a journal, with all its packs."""
    store = Far(root / "journal")
    log = log_of(root, store=store)
    log.head()
    log.pack(for_ever)
    return store


def said(log: Log) -> tuple[object, ...]:
    """All that a reader makes of a log."""
    return log.head(), log.open_start(), [*log.settled()], log.entries()


def packs(root: Path) -> list[Path]:
    return sorted((root / "journal" / PACKS).iterdir())


def _another(root: Path, pack: Path) -> None:
    """The pack of the same numbers, of a journal that the same key wrote: good entries, and not ours."""
    keys = tuple(sorted((path.name, path.read_bytes()) for path in (root / "keys").iterdir()))
    pack.write_bytes(_packs_of_another(keys)[pack.name])


@cache
def _packs_of_another(keys: tuple[tuple[str, bytes], ...]) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        other = Path(name)
        (other / "keys").mkdir(mode=0o700)
        for file, data in keys:
            (other / "keys" / file).touch(0o600)
            (other / "keys" / file).write_bytes(data)
        packed(long(other, seed="e"))
        return {path.name: path.read_bytes() for path in packs(other)}


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path, Path], None]:
    def spoil(_: Path, pack: Path) -> None:
        lines = zlib.decompress(pack.read_bytes()).split(b"\n")
        pack.write_bytes(zlib.compress(b"\n".join(change(lines))))

    return spoil


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    return lambda _, pack: pack.write_bytes(change(pack.read_bytes())) and None


SPOILT: dict[str, Callable[[Path, Path], None]] = {
    "gone": lambda _, pack: pack.unlink(),
    "empty": _bytes(lambda data: b""),
    "cut short": _bytes(lambda data: data[: len(data) // 2]),
    "a bit": _bytes(lambda data: data[:900] + bytes([data[900] ^ 1]) + data[901:]),
    "more behind": _bytes(lambda data: data + b"x"),
    "too big": _bytes(lambda data: data + bytes(1 << 20)),
    "a bomb": _bytes(lambda data: zlib.compress(bytes(64 << 20))),
    "lines gone": _lines(lambda lines: lines[:20]),
    "first line gone": _lines(lambda lines: lines[1:]),
    "lines exchanged": _lines(lambda lines: [lines[1], lines[0], *lines[2:]]),
    "a line changed": _lines(lambda lines: [*lines[:7], lines[7].replace(b"A", b"B", 1), *lines[8:]]),
    "proofs changed": _lines(lambda lines: [*lines[:32], *(line[::-1] for line in lines[32:])]),
    "of another journal": _another,
}
