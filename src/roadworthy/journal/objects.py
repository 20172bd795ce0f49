"""The journal in a bucket: S3 (and what speaks like it), Google Cloud Storage, Azure Blob.

The promise of `Store` is kept with the providers' own conditional writes (`If-None-Match: *`, or generation 0 at
Google): whoever comes second gets an error, on any machine. What can go wrong is only the reply:

- A put is never repeated blindly. After every answer but "done", a refusal too, the name is looked at first: the
  same bytes mean that we won (a lost reply makes a winner look like a loser), other bytes that somebody else did.
  Only where there is nothing is the same put sent again; a late first copy and the second one are the same bytes
  under a name that is written once, so both together are still one write. A refused one is not sent again.
- When no look is possible either, that is OutcomeUnknown. Reads are asked again, within a deadline.

Nothing may call os.fork() after the first request: the client's threads would be missing in the child.
subprocess and spawn are safe.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from .. import retry
from ..errors import OutcomeUnknown, RoadworthyError, Unreachable, UsageError
from .entry import ENTRY_LIMIT, EVIDENCE_LIMIT, JournalError
from .providers import Trouble, ask, client, no_bucket, parts
from .store import checked

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from ..config import Journal

PAUSES: Final = (0.2, 1.0, 0.0)
"""Seconds after each attempt of a put that could not be settled by a look."""
DEADLINE: Final = 30.0
"""Seconds after which no further attempt of a read begins."""
AT_ONCE: Final = 32
"""Requests side by side when a whole log is read."""
AHEAD: Final = 64
"""Entries, at most, that are held before they are asked for."""
BEAT: Final = 3.0
"""Seconds for the one request of a beat: when a command ends, it may have to wait for it."""

_T = TypeVar("_T")


def open_bucket(journal: Journal, folder: str = "", timeout: float = 15.0) -> Bucket:
    """The bucket of `[journal]`; names lie below its prefix and `folder`. Sends nothing yet.

    `timeout` is seconds of one request about an entry; one about an evidence file has twenty times as long.
    Raises UsageError when the environment's credentials make no sense.
    """
    scheme, bucket, prefix = parts(journal.store)
    below = "/".join(part for part in (prefix, folder) if part)
    place = f"{scheme}://{bucket}/{below}".rstrip("/")
    try:
        small, large, brief = (client(journal, below, t) for t in (timeout, 20 * timeout, BEAT))
    except Trouble as trouble:
        raise UsageError(f"{place} cannot be opened: {trouble}") from trouble
    return Bucket(place, small, large, brief)


class Bucket:
    """A store in a bucket. `place` names it in messages; `large` is for what is bigger than an entry, `brief` for
    beats, which a thread of their own leaves.
    """

    far = True

    def __init__(
        self,
        place: str,
        small: ObjectStore,
        large: ObjectStore,
        brief: ObjectStore,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = place
        self._small, self._large, self._brief, self._clock, self._sleep = small, large, brief, clock, sleep
        self._overwrites = True

    def put(self, name: str, data: bytes) -> bool:
        """See `Store.put`."""
        doing = f"write {self.place}/{checked(name)}"
        unsure = ""
        for pause in PAUSES:
            refused = None
            try:
                ask(lambda: self._client(len(data)).put(name, data, mode="create"))
                return True
            except Trouble as trouble:
                if trouble.final and not unsure:
                    refused = UsageError(f"cannot {doing}: {trouble}")
                unsure = unsure or str(trouble)
            try:
                there = self.get(name)
            except JournalError:
                raise
            except RoadworthyError as error:
                if refused and isinstance(error, UsageError):  # who may not even look wrote nothing
                    raise refused from None
                raise _unknown(doing, unsure) from error
            if there is not None:
                return there == data
            if refused:
                raise refused
            self._sleep(pause)
        raise _unknown(doing, unsure)

    def get(self, name: str, limit: int = EVIDENCE_LIMIT) -> bytes | None:
        """See `Store.get`."""
        checked(name)
        return self._patiently(f"read {self.place}/{name}", lambda: self._fetch(name, limit))

    def get_all(self, names: Iterable[str], limit: int) -> Iterator[bytes | None]:
        """See `Store.get_all`."""
        from collections import deque
        from concurrent.futures import Future, ThreadPoolExecutor

        def fetch(name: str) -> bytes | None:
            try:
                return self._fetch(name, limit)
            except (Trouble, JournalError):
                return None  # it is asked for again in its turn, and then speaks for itself

        left, ahead = map(checked, names), 1
        asked: deque[tuple[str, Future[bytes | None]]] = deque()
        pool = ThreadPoolExecutor(AT_ONCE)
        try:
            while True:
                # A window that moves on with the reader, who judges one entry while the next ones are fetched.
                asked.extend((name, pool.submit(fetch, name)) for name in islice(left, ahead - len(asked)))
                if not asked:
                    return
                name, found = asked.popleft()
                data = found.result()
                yield self.get(name, limit) if data is None else data
                ahead = min(2 * ahead, AHEAD)  # who wants only a few asks for few
        finally:
            pool.shutdown(cancel_futures=True)

    def names(self, prefix: str, after: str = "") -> list[str]:
        """See `Store.names`."""
        checked(prefix)

        def listed() -> set[str]:
            if (
                after
            ):  # S3 and Google begin the listing there, Azure lists all; folders inside are not cut off
                pages = self._small.list(prefix, offset=after, chunk_size=1000)
                paths = [about["path"] for page in pages for about in page if about["path"] > after]
                below = [path.removeprefix(f"{prefix}/") for path in paths]
                return {f"{prefix}/{path.partition('/')[0]}" for path in below}
            found = self._small.list_with_delimiter(prefix)
            return {*(about["path"] for about in found["objects"]), *found["common_prefixes"]}

        return sorted(self._patiently(f"list {self.place}/{prefix}", lambda: ask(listed)))

    def stamp(self, prefix: str) -> str:
        """See `Store.stamp`."""
        return ""

    def beat(self, place: str, token: int) -> None:
        """See `Store.beat`."""
        # One object, unless nothing may be overwritten in this bucket: then one for each beat.
        if self._overwrites:
            try:
                ask(lambda: self._brief.put(_last_beat(place), b"%d" % token, mode="overwrite"))
                return
            except Trouble as trouble:
                if not trouble.final:
                    raise
                self._overwrites = False
        name = checked(f"beats/{place}/{token:08d}/{os.urandom(8).hex()}")
        ask(lambda: self._brief.put(name, b"", mode="create"))

    def last_beat(self, place: str, token: int) -> float | None:
        """See `Store.last_beat`."""
        of_it = self._patiently(f"read {self.place}/{_last_beat(place)}", lambda: self._beaten(place, token))
        if of_it is not None:
            return of_it
        prefix = checked(f"beats/{place}/{token:08d}")
        found = self._patiently(
            f"list {self.place}/{prefix}", lambda: ask(lambda: self._small.list_with_delimiter(prefix))
        )
        return max((about["last_modified"].timestamp() for about in found["objects"]), default=None)

    def _beaten(self, place: str, token: int) -> float | None:
        """When the last beat was left, if it is that holder's."""

        def look() -> float | None:
            try:
                answer = self._small.get(_last_beat(place))
            except FileNotFoundError as error:
                if no_bucket(error):
                    raise
                return None
            told = answer.meta["size"] == len(str(token)) and bytes(answer.bytes()) == b"%d" % token
            return answer.meta["last_modified"].timestamp() if told else None

        return ask(look)

    def _client(self, size: int) -> Any:
        return self._small if size <= ENTRY_LIMIT else self._large

    def _patiently(self, doing: str, read: Callable[[], _T]) -> _T:
        asking = retry.reads(self._clock() + DEADLINE, again=_may_pass, clock=self._clock, sleep=self._sleep)
        try:
            return asking(read)
        except Trouble as trouble:
            kind = UsageError if trouble.final else Unreachable
            raise kind(f"cannot {doing}: {trouble}") from trouble

    def _fetch(self, name: str, limit: int) -> bytes | None:
        """One attempt. The size is judged before the body is read, and again while it is."""

        def fetch() -> bytes | None:
            try:
                answer = self._client(limit).get(name)
            except FileNotFoundError as error:
                if no_bucket(error):
                    raise
                return None
            said = answer.meta["size"]
            if said > limit:
                raise JournalError(f"{name} has {said} bytes, more than {limit}")
            data = bytearray()
            for chunk in answer.stream(min_chunk_size=1 << 20):
                data += chunk
                if len(data) > said:
                    raise JournalError(f"{name} grew beyond {said} bytes while it was read")
            return bytes(data)

        return ask(fetch)


def _last_beat(place: str) -> str:
    return checked(f"beats/{place}/last")


def _unknown(doing: str, reason: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"nobody can tell whether we could {doing}: {reason}. When the store answers again: `invoke reconcile`"
    )


def _may_pass(seen: object) -> bool:
    return isinstance(seen, Trouble) and not seen.final
