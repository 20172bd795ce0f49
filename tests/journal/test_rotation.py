"""Keys come and go, and policies with them: what was signed in time stays good, and nothing else does."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from roadworthy.errors import RoadworthyError
from roadworthy.journal.entry import Entry
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS, both, path_of
from .making import needs, record
from .tampering import canonical, lie, resign, said, statement_of

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]
RULE = """
[[rule]]
key = "{key}"
target = "sandbox"
environments = ["*"]
stages = ["*"]
actions = ["*"]
"""


def trust(root: Path, version: int, *keys: str, more: str = "") -> None:
    """A policy under which these keys may sign everything, and the keys it may name."""
    rules = "".join(RULE.format(key=key) for key in keys)
    (root / "trust" / "trust.toml").write_text(f"version = {version}\n{rules}{more}")


def log(root: Path, key: str = "deployer") -> Log:
    return Log(
        Folder(root / "journal"),
        environment="prod",
        target="sandbox",
        signer=load_signer(root / "keys" / key),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
    )


def narrowed(root: Path, *heads: Entry) -> None:
    """Policy 4: what both keys could sign is over at these heads, and from then on they may deploy."""
    good = ", ".join(f'"sandbox/{e.record.environment} {e.seq} {e.sha256}"' for e in heads)
    over = "".join(f"{RULE.format(key=key)}good = [{good}]  # over\n" for key in ("deployer", "stranger"))
    narrow = "".join(RULE.format(key=key) for key in ("deployer", "stranger"))
    narrow = narrow.replace('stages = ["*"]', 'stages = ["deploy"]')
    (root / "trust" / "trust.toml").write_text(f"version = 4\n{over}{narrow}")


def revoked(key: str, *heads: Entry) -> str:
    good = ", ".join(f'"sandbox/{e.record.environment} {e.seq} {e.sha256}"' for e in heads)
    return f'[[revoked]]\nkey = "{key}"  # lost\ngood = [{good}]\n'


@pytest.fixture
def two(root: Path) -> Path:
    """Both keys are trusted under policy 3, and each has written: entry 6 by one, 7 by the other."""
    shutil.copy(root / "keys" / "stranger.pub", root / "trust")
    trust(root, 3, "deployer", "stranger")
    log(root).append(record("note", number=6))
    log(root, "stranger").append(record("note", number=7))
    return root


def refused(root: Path, seq: int, code: str = "policy") -> None:
    """Both auditors and the reader name this entry."""
    assert both_of(root) == (f"{seq:08d}.json", code)
    with pytest.raises(RoadworthyError):
        log(root).entries()


def both_of(root: Path) -> tuple[str, str]:
    return both(PATH, root)


PATH = ""


@pytest.fixture(autouse=True)
def _tools(path: str) -> None:
    global PATH
    PATH = path


def test_an_entry_says_under_which_policy_it_was_written(two: Path) -> None:
    said = log(two).entries()[-1].record.details["policy"]
    assert said == {"version": 3, "sha256": Trust.load(two / "trust").policy.sha256}
    assert both_of(two) == ("", "")


def test_a_new_policy_takes_over_where_the_old_one_was(two: Path) -> None:
    trust(two, 4, "deployer", "stranger")
    log(two).append(record("note"))
    assert both_of(two) == ("", "")
    assert [e.record.details.get("policy", {}).get("version") for e in log(two).entries()[-3:]] == [3, 3, 4]


def test_an_older_policy_cannot_be_put_back(two: Path) -> None:
    """Weaker or not, signed by whomever: the journal has named a higher number."""
    before = (two / "trust" / "trust.toml").read_text()
    trust(two, 4, "deployer", "stranger")
    log(two).append(record("note"))
    (two / "trust" / "trust.toml").write_text(before)
    refused(two, 8)
    with pytest.raises(RoadworthyError, match=r"trust\.toml is version 3: get the newer"):
        log(two).append(record("note"))


def test_a_policy_cannot_be_changed_without_a_new_number(two: Path) -> None:
    trust(two, 3, "deployer", "stranger", more="# only a comment\n")
    refused(two, 6)


def test_no_policy_at_all_cannot_take_the_place_of_one(two: Path) -> None:
    (two / "trust" / "trust.toml").unlink()
    refused(two, 6)


def test_a_writer_that_goes_back_to_an_older_policy_is_found(two: Path) -> None:
    """A holder of a key signs an entry under the policy that was in force before."""
    trust(two, 4, "deployer", "stranger")
    old = statement_of(two, 7)["predicate"]["details"]["policy"]
    log(two).append(record("note"))
    log(two).append(record("note"))
    statement = statement_of(two, 9)
    statement["predicate"]["details"]["policy"] = old
    resign(two, 9, canonical(statement))
    refused(two, 9)


def test_what_was_signed_before_a_revocation_stays_good(two: Path) -> None:
    entries = log(two).entries()
    trust(two, 4, "deployer", "stranger", more=revoked("stranger", entries[6]))
    assert both_of(two) == ("", "")
    log(two).append(record("note"))
    assert both_of(two) == ("", "")


def test_a_revoked_key_can_write_nothing_more(two: Path) -> None:
    entries = log(two).entries()
    trust(two, 4, "deployer", "stranger", more=revoked("stranger", entries[6]))
    with pytest.raises(RoadworthyError, match="was revoked"):
        log(two, "stranger").append(record("note"))


def test_what_was_signed_after_a_revocation_is_refused_whatever_time_it_claims(two: Path) -> None:
    entries = log(two).entries()
    assert entries[6].record.details["clock"] == entries[5].at, "the thief's clock says the same time"
    trust(two, 4, "deployer", "stranger", more=revoked("stranger", entries[5]))
    refused(two, 7)


def test_a_revocation_without_heads_leaves_nothing_good(two: Path) -> None:
    trust(two, 4, "deployer", "stranger", more=revoked("stranger"))
    refused(two, 7)


def test_a_revocation_pins_the_entry_that_it_names(two: Path) -> None:
    """The thief rewrites history up to the last good entry, and signs it all anew."""
    entries = log(two).entries()
    trust(two, 4, "deployer", "stranger", more=revoked("deployer", entries[4]))
    for seq in (6, 7):
        path_of(two, seq).unlink()
    lie(5, said(outcome="other"))(two)
    refused(two, 5, "anchor")


def test_a_log_that_ends_before_the_last_good_entry_was_cut(two: Path) -> None:
    entries = log(two).entries()
    trust(two, 4, "deployer", "stranger", more=revoked("stranger", entries[6]))
    path_of(two, 7).unlink()
    refused(two, 7, "anchor")


@pytest.fixture
def wide(two: Path) -> Path:
    """Entry 8 was signed under the wide rule, and no narrower one would let it."""
    log(two).append(record("note", stage="clock", action="clock"))
    return two


def test_what_a_wider_rule_let_through_stays_good_and_nothing_later(wide: Path) -> None:
    narrowed(wide, log(wide).entries()[7])
    assert both_of(wide) == ("", "")
    log(wide).append(record("note"))
    assert both_of(wide) == ("", "")
    with pytest.raises(RoadworthyError, match=r"its rule is over since entry 8 of sandbox/prod; no key"):
        log(wide).append(record("note", stage="clock", action="clock"))
    statement = statement_of(wide, 9)
    statement["predicate"].update(stage="clock", action="clock")
    resign(wide, 9, canonical(statement))
    refused(wide, 9)


def test_without_its_heads_a_narrower_rule_refuses_what_came_before(wide: Path) -> None:
    narrowed(wide)
    refused(wide, 8)


def test_the_head_of_a_rule_that_is_over_is_pinned(wide: Path) -> None:
    entries = log(wide).entries()
    narrowed(wide, entries[7])
    lie(8, said(nonce="0" * 32))(wide)
    refused(wide, 8, "anchor")


def test_a_log_that_ends_before_the_head_of_a_rule_was_cut(wide: Path) -> None:
    entries = log(wide).entries()
    narrowed(wide, entries[7])
    path_of(wide, 8).unlink()
    refused(wide, 8, "anchor")


def test_two_heads_of_one_log_in_a_rule_are_refused(wide: Path) -> None:
    narrowed(wide, *log(wide).entries()[6:8])
    assert both_of(wide) == ("trust", "policy")


def test_two_heads_of_one_log_for_one_key_are_refused(two: Path) -> None:
    entries = log(two).entries()
    more = revoked("stranger", entries[5]) + revoked("stranger", entries[6])
    trust(two, 4, "deployer", "stranger", more=more)
    assert both_of(two) == ("trust", "policy")


def test_the_clock_of_a_log_never_goes_back(root: Path) -> None:
    """Two machines' clocks differ: the one that is behind waits for the head's time."""
    slow = Log(
        Folder(root / "journal"),
        environment="prod",
        target="sandbox",
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2020, 1, 1, tzinfo=UTC),
    )
    with pytest.raises(RoadworthyError, match="this machine's clock says 2020-01-01T00:00:00Z"):
        slow.append(record("start"))
    last = slow.entries()[4]
    written = slow.append(record("note"))
    assert written.at > last.at, "no entry repeats another's time"
    assert written.record.details["clock"] == "2020-01-01T00:00:00.000000Z"
    assert " s behind that of the entry before it" in written.record.details["clock_why"]
    assert both_of(root) == ("", "")
