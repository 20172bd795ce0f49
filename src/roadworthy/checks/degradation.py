"""Is a release worse than the one before it? Pure: the answers of many rounds, compared check by check.

Invariants:

- A check is compared with itself alone, so that one slow or broken answer cannot hide among quick ones.
- A check without a baseline (a first deploy, or one that mostly failed before) has the absolute limits only:
  what `release.toml` declares of an answer, its time among it, and at most `errors` per cent that fail.
- We are guests: an answer of 429 is set aside, and so is one that says Retry-After when the next one passes. A
  server that does not keep its word has failed, and so has one that is not asked again.
- A verdict that is reached before the end with `of`, the rounds that there can be at most, is the verdict of
  the end too: whatever the rest would bring.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low
from typing import Final

from ..model import Usual, Watch
from .http import CheckResult

Rounds = Sequence[Sequence[CheckResult]]
TOO_MANY: Final = 429


def usual(rounds: Rounds) -> dict[str, Usual]:
    """How each check was answered in these rounds; 0 ms when it never passed."""
    return {name: _usual(results) for name, results in _by_check(rounds).items()}


def baseline(rounds: Rounds) -> dict[str, Usual]:
    """The checks that later answers can be compared with: those that did not mostly fail."""
    return {
        name: seen for name, seen in usual(rounds).items() if seen.asked and 2 * seen.failed <= seen.asked
    }


def set_aside(rounds: Rounds) -> dict[str, int]:
    """How many answers of each check do not count, for they asked us to wait; only checks that have some."""
    aside = {name: len(results) - len(_counted(results, True)) for name, results in _by_check(rounds).items()}
    return {name: number for name, number in aside.items() if number}


def degraded(watch: Watch, rounds: Rounds, of: int) -> tuple[str, ...]:
    """What is worse than `watch` forgives when there are `of` rounds in all; empty when nothing surely is."""
    return tuple(
        problem
        for name, results in _by_check(rounds).items()
        for problem in _worse(watch, name, results, of, watch.before.get(name))
    )


def _worse(
    watch: Watch, name: str, results: Sequence[CheckResult], of: int, before: Usual | None
) -> Iterator[str]:
    counted = _counted(results, at_the_end=len(results) >= of)
    of -= len(results) - len(_counted(results, at_the_end=True))  # what surely does not count
    failures = [r for r in counted if r.outcome != "passed"]
    failed = len(failures)
    was_failed, was_asked = (before.failed, before.asked) if before else (0, 1)
    # failed / of > was_failed / was_asked + errors / 100, in integers
    if 100 * failed * was_asked > (100 * was_failed + watch.errors * was_asked) * of:
        known = f"{was_failed} of {was_asked} before the deploy" if before else "no baseline"
        yield (
            f"check {name} failed in {failed} of {len(counted)} rounds, {_statuses(failures)} ({known}; "
            f"at most {watch.errors} percentage points more are forgiven)"
        )
    if before is None:
        return
    limit = max(watch.slower * before.millis, before.millis + watch.noise)
    slow = sum(r.millis > limit for r in counted)
    if 2 * slow > of:  # then the median is above the limit
        yield (
            f"check {name} took more than {limit} ms in {slow} of {len(counted)} rounds "
            f"(the median was {before.millis} ms before the deploy)"
        )


def _usual(results: Sequence[CheckResult]) -> Usual:
    counted = _counted(results, at_the_end=True)
    passed = [r.millis for r in counted if r.outcome == "passed"]
    return Usual(len(counted), len(counted) - len(passed), median_low(passed) if passed else 0)


def _counted(results: Sequence[CheckResult], at_the_end: bool) -> list[CheckResult]:
    """The answers of one check that say how it is. Before the end it may not be known who keeps a Retry-After."""
    told = [r for r in results if r.outcome == "passed" or r.status != TOO_MANY]
    after: list[CheckResult | None] = [*told[1:], None][: len(told)]
    return [r for r, following in zip(told, after, strict=True) if not _waits(r, following, at_the_end)]


def _waits(result: CheckResult, following: CheckResult | None, at_the_end: bool) -> bool:
    if result.outcome == "passed" or not result.retry_after:
        return False
    return not at_the_end if following is None else following.outcome == "passed"


def _statuses(failures: Sequence[CheckResult]) -> str:
    """What failing rounds answered, the most frequent first: `answered 503 (3), none (1)`."""
    told = Counter("none" if r.status is None else str(r.status) for r in failures)
    return "answered " + ", ".join(f"{status} ({number})" for status, number in told.most_common())


def _by_check(rounds: Rounds) -> Mapping[str, list[CheckResult]]:
    found: dict[str, list[CheckResult]] = {}
    for results in rounds:
        for result in results:
            found.setdefault(result.name, []).append(result)
    return found
