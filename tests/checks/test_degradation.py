"""The pure comparison of a degradation window: what is worse, what is noise, and when it is certain."""

from fractions import Fraction
from statistics import median_low

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.checks.degradation import baseline, degraded, set_aside, usual
from roadworthy.checks.http import CheckResult
from roadworthy.model import Usual, Watch

BEFORE = Usual(10, 0, 3)


def answer(
    passed: bool = True, millis: int = 3, name: str = "health", status: int | None = 200, wait: float = 0.0
) -> CheckResult:
    outcome = "passed" if passed else "failed"
    return CheckResult(
        name, "GET", "http://app/", outcome, "" if passed else "x", status, millis, 1, "", wait
    )


BUSY = answer(False, status=429)
LATER = answer(False, status=503, wait=1.0)


def watch(before: Usual | None = BEFORE, errors: int = 5, slower: int = 2, noise: int = 250) -> Watch:
    return Watch(1000, errors, slower, noise, {"health": before} if before else {})


def rounds(*answers: CheckResult) -> list[list[CheckResult]]:
    return [[each] for each in answers]


def worse(seen: Watch, *answers: CheckResult) -> str:
    return "; ".join(degraded(seen, rounds(*answers), len(answers)))


@pytest.mark.parametrize(
    ("errors", "before", "failed", "is_worse"),
    [
        (5, BEFORE, 1, False),  # 5 of 100 points is 1 of 20
        (5, BEFORE, 2, True),
        (0, BEFORE, 0, False),
        (0, BEFORE, 1, True),
        (5, Usual(10, 3, 3), 7, False),  # 30 % before and 5 points are 7 of 20
        (5, Usual(10, 3, 3), 8, True),
        (5, None, 1, False),
        (5, None, 2, True),
        (100, BEFORE, 20, False),
    ],
)
def test_more_answers_may_fail_than_before_only_by_so_many_points(errors, before, failed, is_worse):
    answers = [answer(False)] * failed + [answer()] * (20 - failed)
    said = worse(watch(before, errors), *answers)
    assert ("check health failed in" in said) == is_worse, said


@pytest.mark.parametrize(
    ("usually", "millis", "is_worse"),
    [
        (3, 6, False),  # twice as long, and nobody would notice
        (3, 253, False),
        (3, 254, True),
        (400, 800, False),
        (400, 801, True),
    ],
)
def test_the_median_may_be_so_many_times_the_old_one_or_above_it_by_the_noise(usually, millis, is_worse):
    said = worse(watch(Usual(10, 0, usually)), *[answer(millis=millis)] * 5)
    assert ("check health took more than" in said) == is_worse, said


def test_without_a_baseline_a_time_is_judged_by_the_check_itself_alone():
    assert worse(watch(None), *[answer(millis=1900)] * 5) == ""


def test_half_of_the_answers_may_be_slow_and_one_more_may_not():
    slow, quick = answer(millis=1000), answer()
    assert worse(watch(), slow, slow, quick, quick) == ""
    assert "in 3 of 5 rounds" in worse(watch(), slow, slow, slow, quick, quick)


def test_a_slow_check_does_not_hide_among_quick_ones():
    seen = Watch(1000, 5, 2, 250, {"health": BEFORE, "me": BEFORE})
    answers = [[answer(), answer(millis=900, name="me")]] * 5
    (problem,) = degraded(seen, answers, 5)
    assert problem.startswith("check me took")


def test_a_check_that_mostly_failed_before_is_no_baseline():
    broken, half = [answer(False), answer(False), answer()], [answer(False), answer()]
    assert baseline(rounds(*broken)) == {}
    assert baseline(rounds(*half)) == {"health": Usual(2, 1, 3)}
    assert baseline([]) == {}


def test_the_usual_time_is_that_of_what_passed():
    assert usual(rounds(answer(millis=9), answer(False, 500), answer(millis=7)))["health"] == Usual(3, 1, 7)


@pytest.mark.parametrize(
    ("asked", "failed"),
    [
        ([BUSY] * 9, 0),
        ([BUSY, answer(), BUSY, answer(False, status=503)], 1),
        ([LATER, answer(), LATER, BUSY, answer()], 0),  # it kept its word, both times
        ([LATER, LATER, answer()], 1),
        ([answer(), LATER], 1),  # nobody knows whether it would have
    ],
)
def test_an_answer_that_asks_to_wait_is_no_failure_unless_it_breaks_its_word(asked, failed):
    said = worse(watch(errors=0), *asked)
    assert bool(said) == bool(failed)
    assert (f"failed in {failed} of" in said) == bool(failed)
    assert usual(rounds(*asked))["health"].failed == failed


def test_before_the_end_nothing_is_held_against_a_server_that_has_not_broken_its_word():
    assert degraded(watch(errors=0), rounds(answer(), LATER), 3) == ()
    assert degraded(watch(errors=0), rounds(LATER, LATER), 3) != ()


def test_the_statuses_of_what_failed_are_told():
    down, broken = answer(False, status=503), answer(False, status=None)
    assert "failed in 3 of 4 rounds, answered 503 (2), none (1) (" in worse(
        watch(), down, broken, down, answer()
    )


def test_what_only_asked_to_wait_is_no_baseline_and_is_counted():
    assert baseline(rounds(BUSY, BUSY)) == {}
    assert set_aside(rounds(BUSY, LATER, answer())) == {"health": 2}
    assert set_aside(rounds(answer(), answer(False))) == {}


answers = st.builds(answer, st.booleans(), st.integers(0, 2000))
windows = st.builds(
    watch,
    st.none()
    | st.integers(0, 5).flatmap(
        lambda failed: st.builds(Usual, st.just(10), st.just(failed), st.integers(0, 1000))
    ),
    st.integers(0, 100),
    st.integers(1, 5),
    st.integers(1, 500),
)
many = st.lists(answers, min_size=1, max_size=40)


def mostly_passed(asked: list[CheckResult]) -> bool:
    return 2 * sum(a.outcome == "passed" for a in asked) >= len(asked)


@given(windows, many)
def test_the_verdict_is_that_of_shares_and_medians(seen: Watch, asked: list[CheckResult]):
    before = seen.before.get("health")
    share = Fraction(sum(a.outcome == "failed" for a in asked), len(asked))
    forgiven = Fraction(before.failed, before.asked) if before else Fraction(0)
    expected = share > forgiven + Fraction(seen.errors, 100)
    if before:
        limit = max(seen.slower * before.millis, before.millis + seen.noise)
        expected = expected or median_low(a.millis for a in asked) > limit
    assert bool(worse(seen, *asked)) == expected


@given(windows, many, many)
def test_a_failure_that_is_certain_stays_one_whatever_comes_after(seen: Watch, asked, rest):
    most = len(asked) + len(rest)
    early = degraded(seen, rounds(*asked), most)
    assert bool(early) <= bool(worse(seen, *asked, *rest))
    assert bool(early) <= bool(worse(seen, *asked))  # and when nothing comes any more


courteous = st.lists(st.sampled_from([answer(), answer(False), answer(millis=900), BUSY, LATER]), max_size=20)


@given(windows, courteous, courteous)
def test_a_failure_that_is_certain_stays_one_when_answers_are_set_aside(seen: Watch, asked, rest):
    early = degraded(seen, rounds(*asked), len(asked) + len(rest))
    assert bool(early) <= bool(worse(seen, *asked, *rest))
    assert bool(early) <= bool(worse(seen, *asked))


@given(windows, many, st.randoms())
def test_the_order_of_the_answers_does_not_matter(seen: Watch, asked, chance):
    mixed = list(asked)
    chance.shuffle(mixed)
    assert worse(seen, *asked) == worse(seen, *mixed)


@given(many)
def test_a_check_that_mostly_failed_is_no_baseline(asked):
    failed = sum(a.outcome == "failed" for a in asked)
    assert bool(baseline(rounds(*asked))) == (2 * failed <= len(asked))


@given(many.filter(mostly_passed), st.integers(0, 100), st.integers(1, 5), st.integers(1, 500))
def test_what_is_as_before_is_never_worse(asked, errors, slower, noise):
    passed = [a for a in asked if a.outcome == "passed"]
    seen = Watch(1000, errors, slower, noise, baseline(rounds(*asked)))
    assert seen.before.keys() == {"health"}, "without a baseline nothing would be compared"
    assert not any("failed in" in said for said in degraded(seen, rounds(*asked), len(asked)))
    assert degraded(seen, rounds(*passed), len(passed)) == ()


@pytest.mark.parametrize(
    ("before", "errors", "failed", "asked", "is_worse"),
    [
        (Usual(10, 3, 5), 10, 4, 10, False),  # 40 % is what 30 % and ten more allow
        (Usual(10, 3, 5), 10, 5, 10, True),
        (Usual(10, 9, 5), 0, 91, 101, True),  # 90.1 % is more than 90 %
        (Usual(10, 9, 5), 0, 90, 100, False),
        (None, 5, 5, 100, False),
        (None, 5, 6, 100, True),
    ],
)
def test_a_share_is_compared_to_the_last_failure(before, errors, failed, asked, is_worse):
    seen = Watch(1000, errors, 2, 250, {"health": before} if before else {})
    asked_all = [answer(n >= failed) for n in range(asked)]
    assert ("failed in" in worse(seen, *asked_all)) == is_worse


@given(many.filter(mostly_passed), st.integers(1, 5), st.integers(1, 500), st.integers(1, 20))
def test_what_takes_longer_than_the_baseline_allows_is_worse_by_the_baseline_alone(
    asked, slower, noise, often
):
    seen = Watch(1000, 0, slower, noise, baseline(rounds(*asked)))
    median = median_low(a.millis for a in asked if a.outcome == "passed")
    limit = max(slower * median, median + noise)
    assert worse(seen, *[answer(millis=limit)] * often) == ""
    slow = [answer(millis=limit + 1)] * often
    assert f"more than {limit} ms in {often} of {often} rounds" in worse(seen, *slow)
    assert worse(Watch(1000, 0, slower, noise, {}), *slow) == ""
