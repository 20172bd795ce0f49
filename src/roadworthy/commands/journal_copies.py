"""The journals of a store as a folder, for auditors read files: what lies in a bucket is copied first.

A listing may lag behind what is in the bucket, so it is never believed alone. Whatever its number, its name in
release.toml or another entry says should be there is asked for by its name.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from ..journal.entry import ENTRY_LIMIT, Entry, JournalError, read
from ..journal.proofs import places_named

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.store import Store


@contextmanager
def journals(context: Context) -> Iterator[Path]:
    """The folder in which the journals of the target lie, as the store has them now."""
    from ..journal.store import Folder

    if isinstance(context.store, Folder):
        yield context.paths.journal
        return
    with tempfile.TemporaryDirectory(prefix="roadworthy-audit-") as made:
        listed = context.store.names(context.target)
        _copy(
            context.store,
            [*listed, *(f"{context.target}/{name}" for name in context.config.environments)],
            Path(made),
        )
        yield Path(made)


def _copy(store: Store, places: list[str], to: Path) -> None:
    """These journals, every one that their entries name, and all evidence."""
    seen, evidence = set[str](), set[str]()
    while places:
        if (place := places.pop()) in seen:
            continue
        seen.add(place)
        for name, data in _of_one(store, place):
            _write(to / name, data)
            entry = _entry(data)
            if entry is None:
                continue
            evidence |= {item.sha256 for item in entry.record.evidence}
            target = place.partition("/")[0]
            places += (f"{target}/{named}" for named in places_named(entry.record.details))
    for sha256 in sorted(evidence):
        if (attached := store.get(f"evidence/{sha256}")) is not None:
            _write(to / "evidence" / sha256, attached)


def _of_one(store: Store, place: str) -> Iterator[tuple[str, bytes]]:
    """Every name of one journal with its bytes: those listed, those between them, and those that come after."""
    listed = set(store.names(place))
    numbers = [
        int(name[-13:-5])
        for name in listed
        if name == f"{place}/{name[-13:-5]}.json" and name[-13:-5].isdigit()
    ]
    last = max(numbers, default=0)
    between = (f"{place}/{seq:08d}.json" for seq in range(1, last + 1))
    names = sorted(listed | set(between))
    for name, data in zip(names, store.get_all(names, ENTRY_LIMIT), strict=True):
        if data is not None or name in listed:
            yield name, data or b""
    for seq in count(last + 1):
        name = f"{place}/{seq:08d}.json"
        if (data := store.get(name, ENTRY_LIMIT)) is None:
            return
        yield name, data


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _entry(data: bytes) -> Entry | None:
    """What an entry says, unverified: only to know what it names. None where it is none."""
    try:
        return read(data).entry()
    except JournalError:
        return None
