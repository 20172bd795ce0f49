"""Late effects: a release that carries our token, though its start was settled without it.

Its request was still on its way when somebody settled the start. So it is no stranger's: it is recognised as
start #N, by the token in its description or, of a change of config vars, in the config var that it set. An image's
release has no token, for the platform words it itself: once its start is settled it is a stranger's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import RoadworthyError
from ..journal.claims import token
from ..journal.known import Head
from ..lost import refuse
from ..model import PlatformRelease
from ..platforms.mark import MARKER

if TYPE_CHECKING:
    from ..journal.entry import Entry
    from ..journal.log import Log
    from ..world import World

_TOKEN: Final = re.compile(r"roadworthy ([a-z0-9][a-z0-9._-]{0,99})#([1-9][0-9]{0,7}) ([0-9a-f]{12})")


def late_effect(context: World, log: Log, app: str, release: PlatformRelease) -> str:
    """Which start made a release of `app`, and what settled it, in words; "" when none in this journal did.

    Raises JournalLost when it was one that this journal does not hold (any more).
    """
    said = _token_of(context, app, release)
    match = _TOKEN.fullmatch(said)
    if match is None:
        return ""
    if match[1] == log.environment:
        told = f"release {release.name} of {app} carries its token"
        refuse(context, log, Head(int(match[2]), match[3], told))
    settled: Entry | None = None
    for entry in log.backwards():
        if entry.record.details.get("settles") == int(match[2]):
            settled = entry
        if entry.seq <= int(match[2]):
            break
    else:
        return ""
    if entry.record.kind != "start" or token(entry) != said:
        return ""
    of = f" of {entry.record.subject.partition(':')[2][:12]}" if entry.record.digest else ""
    how = f"settled as {settled.record.kind} by #{settled.seq} before it arrived" if settled else "open"
    return f"start #{entry.seq} ({entry.record.action}{of}), {how}"


def _token_of(context: World, app: str, release: PlatformRelease) -> str:
    if release.mark:
        return release.mark
    if not release.sets_mark:
        return ""
    try:
        return context.platform.config(app).get(MARKER, "")
    except RoadworthyError:
        return ""  # who made it cannot be told now; that it is there is said all the same
