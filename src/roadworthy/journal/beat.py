"""Signs of life of whoever holds an environment: information for people, never permission.

While an action holds an environment, a thread of its process tells the store every EVERY seconds that it lives.
Only the store's own note of the time is read back, and of what a beat contains at most its holder's token. Nothing
is decided on it: a holder not heard of for a year is still waited for, and one that was just heard of may be dead.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .entry import Entry
    from .store import Store

EVERY: Final = 15.0  # seconds between two beats
GRACE: Final = 0.2  # seconds for which the end of an action waits for a beat that is on its way


@contextlib.contextmanager
def beating(store: Store, start: Entry, every: float = EVERY) -> Iterator[None]:
    """Tell the store that the holder of `start` lives, at once and every `every` seconds, until the block ends."""
    place = f"{start.record.target}/{start.record.environment}"
    over = threading.Event()

    def beat() -> None:
        while True:
            # Whatever goes wrong here is swallowed: it is only information, and must neither end an action nor
            # write between its lines. Who reads it sees that nothing was heard.
            with contextlib.suppress(Exception):
                store.beat(place, start.seq)
            if over.wait(every):
                return

    # No daemon: a thread that Python cuts off inside of the bucket's client would abort the process at its end.
    thread = threading.Thread(target=beat, name="heartbeat", daemon=False)
    with contextlib.suppress(RuntimeError):  # the system gives no more threads: then nothing is heard of it
        thread.start()
    try:
        yield
    finally:
        over.set()
        if thread.ident is not None:
            thread.join(GRACE)
