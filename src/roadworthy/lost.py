"""Whether a journal lost entries, as far as the platform can tell: its releases carry the numbers of their starts.

A start is written before its effect. So a release whose token names an entry that the journal does not hold tells
that the journal lost it, or that it is another journal.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .errors import RoadworthyError
from .journal.entry import ENTRY_LIMIT
from .journal.known import Head, JournalLost

if TYPE_CHECKING:
    from .context import Context
    from .journal.log import Log
    from .model import PlatformRelease
    from .world import World

_TOKEN: Final = re.compile(r"roadworthy ([a-z0-9][a-z0-9._-]{0,99})#([1-9][0-9]{0,7}) ([0-9a-f]{12})")


def head_of(environment: str, app: str, release: PlatformRelease) -> Head | None:
    """The start whose mark is on a release; None where it names none of this environment."""
    found = _TOKEN.fullmatch(release.mark)
    if found is None or found[1] != environment:
        return None
    return Head(int(found[2]), found[3], f"release {release.name} of {app} carries its token")


def newest_on_platform(context: World, environment: str) -> Head | None:
    """The start that made the newest release of ours; None where there is none, or the platform cannot be asked."""
    heads = []
    for app in context.config.apps(environment).values():
        with suppress(RoadworthyError):
            releases = context.platform.observe(app).releases
            heads += list(filter(None, (head_of(environment, app, one) for one in releases)))[:1]
    return max(heads, key=lambda head: head.seq, default=None)


def refuse_if_lost(context: World, log: Log) -> None:
    """Ask the platform whether this journal of an environment lost entries. Raises JournalLost."""
    if log.environment not in context.config.environments:
        return
    if head := newest_on_platform(context, log.environment):
        refuse(context, log, head)


def refuse(context: World, log: Log, head: Head) -> None:
    """Raises JournalLost unless the journal holds this entry, or says that it was lost."""
    if log.holds(head):
        return
    last = log.head()
    ends = last.seq if last else 0
    where = f"{context.target}/{log.environment}"
    raise JournalLost(where, context.store.place, head, ends, another=head.seq <= ends)


def refuse_if_any_lost(context: Context) -> None:
    """Before something is written elsewhere: does a journal of an environment lack what is known of it?

    Looks at one entry of each, and reads the whole journal only where that is not there. The platform is asked
    where neither this machine nor a tag knows anything. Raises JournalLost.
    """
    for name in () if context.is_whole else context.config.environments:
        heads = context.known(name).heads() or list(filter(None, (newest_on_platform(context, name),)))
        newest = max(heads, key=lambda head: head.seq, default=None)
        if newest and not _is_there(context, name, newest):
            refuse(context, context.log(name), newest)
    context.is_whole = True


def _is_there(context: World, environment: str, head: Head) -> bool:
    data = context.store.get(f"{context.target}/{environment}/{head.seq:08d}.json", ENTRY_LIMIT)
    return data is not None and hashlib.sha256(data).hexdigest().startswith(head.sha256)
