"""Times order the entries, clocks say what each writer's own clock said; neither lies, and neither locks out.

The writer and both auditors judge each case, and must agree.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.errors import Refused, RoadworthyError, UsageError
from roadworthy.journal.audit_entry import is_time
from roadworthy.journal.drafting import ClockBehind
from roadworthy.journal.entry import MOMENT
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS, both
from .making import needs, record
from .test_rotation import RULE

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]
NOW = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)  # at which all five entries of `root` were written
ACCIDENT = NOW + timedelta(days=730)


def log(root: Path, clock: datetime, key: str = "deployer") -> Log:
    return Log(
        Folder(root / "journal"),
        environment="prod",
        target="sandbox",
        signer=load_signer(root / "keys" / key),
        trust=Trust.load(root / "trust"),
        clock=lambda: clock,
    )


def reader(root: Path) -> str:
    """What the reader says of the log; "" when all is well."""
    try:
        log(root, NOW).entries()
    except RoadworthyError as error:
        return str(error)
    return ""


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_a_clock_that_is_a_little_behind_keeps_the_order_and_says_what_it_was(root: Path, path: str) -> None:
    before = log(root, NOW).entries()[-1]
    late = NOW - timedelta(seconds=600)
    start = log(root, late).append(record("start"))
    assert start.at == written(NOW + timedelta(microseconds=5)) > before.at
    assert start.record.details["clock"] == written(late)
    assert "clock_why" not in start.record.details
    end = log(root, NOW + timedelta(seconds=1)).append(record("end", settles=start.seq))
    assert end.at == written(NOW + timedelta(seconds=1))
    assert "clock" not in end.record.details, "where nothing had to wait, there is one time"
    assert (reader(root), both(path, root)) == ("", ("", ""))


def test_a_clock_that_is_far_behind_starts_nothing_but_settles_what_was_begun(root: Path, path: str) -> None:
    start = log(root, NOW).append(record("start"))
    late = NOW - timedelta(seconds=601)
    end = log(root, late).append(record("end", settles=start.seq))
    assert (
        end.record.details["clock_why"] == "this machine's clock is 601 s behind that of the entry before it"
    )
    assert (reader(root), both(path, root)) == ("", ("", ""))
    with pytest.raises(ClockBehind) as error:
        log(root, late - timedelta(seconds=601)).append(record("start"))
    assert isinstance(error.value, Refused) and error.value.code == 3
    assert "set this clock right" in str(error.value) and "invoke evidence.clock --env prod" in str(
        error.value
    )
    log(root, late).append(record("start"))
    assert (reader(root), both(path, root)) == ("", ("", ""))


def test_an_entry_two_years_ahead_locks_nobody_out(root: Path, path: str) -> None:
    """V16 of the protocol: `at` stays ahead for ever, and keys with an end go on."""
    until = f'until = "{NOW.year + 1}-01-01T00:00:00Z"\n'
    (root / "trust" / "trust.toml").write_text("version = 3\n" + RULE.format(key="deployer") + until)
    with pytest.raises(RoadworthyError, match="may not sign"):
        log(root, ACCIDENT).append(record("note"))  # a key with an end does not make such an entry
    (root / "trust" / "trust.toml").write_text("version = 3\n" + RULE.format(key="deployer"))
    log(root, ACCIDENT).append(record("note"))
    later = (root / "trust" / "trust.toml").read_text().replace("version = 3", "version = 4")
    (root / "trust" / "trust.toml").write_text(later + until.replace(str(NOW.year + 1), str(NOW.year + 3)))
    with pytest.raises(ClockBehind):
        log(root, NOW).append(record("start"))
    log(root, NOW).append(record("note", clock_why="ntp was off on ci-3"))
    for day in range(3):
        today = NOW + timedelta(days=day)
        start = log(root, today).append(record("start"))
        end = log(root, today).append(record("end", settles=start.seq))
        assert end.record.details["clock"] == written(today)
        assert end.at[:10] == written(ACCIDENT)[:10]
        assert "clock_why" not in end.record.details, "one word is enough"
    assert (reader(root), both(path, root)) == ("", ("", ""))
    with pytest.raises(RoadworthyError, match="may not sign"):
        log(root, NOW + timedelta(days=1500)).append(record("note"))


@pytest.mark.parametrize("name", ["from", "until"])
@pytest.mark.parametrize(
    ("moment", "good"),
    [
        ("2028-02-29T00:00:00Z", True),
        ("2026-02-30T00:00:00Z", False),
        ("2027-02-29T00:00:00Z", False),
        ("2027-04-31T00:00:00Z", False),
        ("2027-01-01T24:00:00Z", False),
        ("2027-01-01T00:00:60Z", False),
        ("2027-1-1T00:00:00Z", False),
        ("2027-01-01", False),
    ],
)
def test_the_bound_of_a_key_is_a_moment_that_exists(root: Path, name: str, moment: str, good: bool) -> None:
    moment = moment.replace("2028", "2024") if name == "from" else moment
    trust = "version = 1\n" + RULE.format(key="deployer") + f'{name} = "{moment}"\n'
    (root / "trust" / "trust.toml").write_text(trust)
    if good:
        assert reader(root) == ""
    else:
        with pytest.raises(UsageError, match=rf"{name} is not a text like .*, a moment that exists"):
            Trust.load(root / "trust")


@given(st.integers(900, 9999), st.integers(0, 13), st.integers(0, 32), st.integers(0, 25), st.integers(0, 61))
def test_a_moment_exists_when_the_calendar_has_it(y: int, mo: int, d: int, h: int, s: int) -> None:
    text = f"{y:04d}-{mo:02d}-{d:02d}T{h:02d}:{s:02d}:{s:02d}"
    try:
        exists = datetime.fromisoformat(text).year >= 1000
    except ValueError:
        exists = False
    assert bool(re.fullmatch(MOMENT, text)) == is_time(f"{text}.000000Z") == exists


def test_the_last_time_of_all_locks_nobody_out_either(root: Path, path: str) -> None:
    log(root, datetime.max.replace(tzinfo=UTC)).append(record("note"))
    log(root, NOW).append(record("note", clock_why="a toy clock"))
    last = log(root, NOW).append(record("start"))
    assert last.at == "9999-12-31T23:59:59.999999Z"
    assert (reader(root), both(path, root)) == ("", ("", ""))
