"""What a ship will sign, so that it is known before its first stage whether its key may sign all of that.

What is done is not done again, so a key that may only deploy ships a package that others took in, built, accepted
and released. Which stages are left, the progress says, as everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..decision.lines import LINES, Asked, Progress
from ..decision.progress import progress, tested
from ..decision.reading import asked_of
from ..errors import Refused
from ..execution import signing
from . import accept, intake

if TYPE_CHECKING:
    from ..context import Context
    from ..model import Request

DEPLOYMENT = ("deploy", "migrate", "complete")


def require(context: Context, request: Request) -> None:
    """Raises Refused unless this command's key may sign every stage of this ship or replay that is left."""
    if not signing.judges(context):
        return
    for place, actions in left(context, request):
        if why := signing.problem(context, place, actions):
            raise Refused(why)


def left(context: Context, request: Request) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The actions that a ship or replay will sign, in the journals of its package and of its environment."""
    asked = asked_of(context, request.environment, request.commit)
    found = progress(asked)
    of_package = _of_package(context, request, asked, found)
    there = ("decide",) if found.no_deploy else _of_deployment(request, found)
    return (asked.package.place, of_package), (request.environment, there)


def _of_package(context: Context, request: Request, asked: Asked, found: Progress) -> tuple[str, ...]:
    accepted = asked.standing.accepted
    if request.replay:
        again = accepted is None or not accept.by_this_run(context, request.commit, accepted)
        return ("accept",) if again or not found.of("verification").passed else ()
    left = {line.stage for line in found.lines if not line.passed}
    wanted = {
        "intake": "intake" in left or not intake.is_taken_in(context, request),
        "build": "build" in left,
        "test": asked.own_tests and not tested(asked),
        "accept": "verification" in left,
        "release": "release" in left,
    }
    return tuple(action for action, needed in wanted.items() if needed)


def _of_deployment(request: Request, found: Progress) -> tuple[str, ...]:
    """The stages of the deployment from the first that is left: each is asked with those after it."""
    if request.replay or not found.of("deploy").passed:
        return DEPLOYMENT
    if not found.of("migrations").passed:
        return DEPLOYMENT[1:]
    return () if found.of(LINES[-1]).passed else DEPLOYMENT[2:]
