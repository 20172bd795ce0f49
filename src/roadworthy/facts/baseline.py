"""What the checks are like before a deploy, to compare with afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from ..checks.degradation import baseline
from ..checks.http import CheckResult
from ..checks.rounds import Pace, ask_round
from ..model import History, MissingFact, Observed, Usual
from ..wait import until

if TYPE_CHECKING:
    from ..world import World

ROUNDS: Final = 10  # at once one after the other: a median needs a few, and a person waits for it


def read_baseline(context: World, history: History, observed: Observed) -> Mapping[str, Usual]:
    """Ask what runs and was verified ROUNDS times, for at most `limits.verify` seconds.

    Raises MissingFact when nothing verified runs, or when it mostly fails every check.
    """
    running, current = history.running, observed.current
    if running is None or current is None:
        raise MissingFact("nothing ran before")
    if current.order != running.release:
        raise MissingFact(f"{current.name} runs, which was not verified")
    rounds: list[Sequence[CheckResult]] = []
    pace = Pace(0.0)

    def look() -> bool | None:
        if not pace.due:
            return None
        rounds.append(ask_round(context.config, observed, running.package, context.environ))
        pace.after(rounds[-1])
        return True if len(rounds) == ROUNDS else None

    until(look, within=context.config.limits.verify, every=pace)
    found = baseline(rounds)
    if not found:
        raise MissingFact("what runs now mostly fails every check")
    return found
