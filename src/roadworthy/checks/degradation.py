"""Is a release worse than the one before it? Pure: the answers of many rounds, compared check by check.

Invariants:

- A check is compared with itself alone, so that one slow or broken answer cannot hide among quick ones.
- A check without a baseline (a first deploy, or one that mostly failed before) has the absolute limits only:
  what `release.toml` declares of an answer, its time among it, and at most `errors` per cent that fail.
- A verdict that is reached before the end with `of`, the rounds that there can be at most, is the verdict of
  the end too: whatever the rest would bring.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low

from ..model import Usual, Watch
from .http import CheckResult

Rounds = Sequence[Sequence[CheckResult]]


def usual(rounds: Rounds) -> dict[str, Usual]:
    """How each check was answered in these rounds; 0 ms when it never passed."""
    return {name: _usual(results) for name, results in _by_check(rounds).items()}


def baseline(rounds: Rounds) -> dict[str, Usual]:
    """The checks that later answers can be compared with: those that did not mostly fail."""
    return {name: seen for name, seen in usual(rounds).items() if 2 * seen.failed <= seen.asked}


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
    failed = sum(r.outcome != "passed" for r in results)
    was_failed, was_asked = (before.failed, before.asked) if before else (0, 1)
    # failed / of > was_failed / was_asked + errors / 100, in integers
    if 100 * failed * was_asked > (100 * was_failed + watch.errors * was_asked) * of:
        known = f"{was_failed} of {was_asked} before the deploy" if before else "nothing is known of before"
        yield (
            f"check {name} failed in {failed} of {len(results)} rounds ({known}; "
            f"at most {watch.errors} percentage points more are forgiven)"
        )
    if before is None:
        return
    limit = max(watch.slower * before.millis, before.millis + watch.noise)
    slow = sum(r.millis > limit for r in results)
    if 2 * slow > of:  # then the median is above the limit
        yield (
            f"check {name} took more than {limit} ms in {slow} of {len(results)} rounds "
            f"(the median was {before.millis} ms before the deploy)"
        )


def _usual(results: Sequence[CheckResult]) -> Usual:
    passed = [r.millis for r in results if r.outcome == "passed"]
    return Usual(len(results), len(results) - len(passed), median_low(passed) if passed else 0)


def _by_check(rounds: Rounds) -> Mapping[str, list[CheckResult]]:
    found: dict[str, list[CheckResult]] = {}
    for results in rounds:
        for result in results:
            found.setdefault(result.name, []).append(result)
    return found
