"""Release: mark an accepted package as eligible (deployment contract, section 8). It deploys nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import Refused
from ..facts import package as packages
from ..facts.standing import standing_of
from ..model import Outcome, Request, Result
from .on_package import begin

if TYPE_CHECKING:
    from ..context import Context

NAME = "release"


def mark_released(context: Context, request: Request) -> Result:
    """Release the accepted package of `request.commit`. Raises Refused before its turn."""
    commit = request.commit
    standing = standing_of(context, commit)
    if lacks := standing.lacks("release"):
        raise Refused(f"{commit[:12]} cannot be released: {lacks}")
    if standing.build is None or standing.accepted is None:
        raise ValueError("the package has no build or acceptance entry")
    if known := standing.released:
        line = f"{commit[:12]} was released already (journal #{known.seq})"
        return Result(Outcome.SUCCEEDED, line, seq=known.seq)
    package = packages.recorded(context, commit, standing.build)
    told = {"change": {"id": request.change, "why": request.why}, "accepted": standing.accepted.seq}
    with begin(context, commit, NAME, "release", package, **told) as turn:
        entry = turn.done(package, told)
    line = f"{commit[:12]} is eligible for deployment; not deployed yet"
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=turn.evidence(entry))
