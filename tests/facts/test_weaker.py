"""What a policy demands less of than an earlier one is named, and what is surely as strict is not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from roadworthy.facts.weaker import weaker
from roadworthy.policy_files import read_files

ROOT = Path(__file__).resolve().parents[2]
OURS = read_files(ROOT)
GITHUB = '\n[github]\nrepository = "a/b"\ncheck = "unit"\n'


def changed(*changes: tuple[str, str], old: dict[str, bytes] = OURS) -> dict[str, bytes]:
    text = old["release.toml"].decode()
    for was, now in changes:
        assert was in text or not was, was
        text = text.replace(was, now, 1) if was else text + now
    return {**old, "release.toml": text.encode()}


WEAKER = {
    "production": (("production = true", "production = false"), "environments.prod.production = false (was true)"),
    "no certificate": (('certified_in = "staging"', ""), 'environments.prod.certified_in = "" (was staging)'),
    "no window": (('watch = "2m" ', ""), "environments.prod.watch = 0 s (was 120 s)"),
    "a shorter window": (('watch = "2m"', 'watch = "1m"'), "environments.prod.watch = 60 s (was 120 s)"),
    "a target's window": (('poll = "2s"', 'watch = "1s"'), "targets.live.watch = 1 s (was 0 s)"),
    "a raised bound": (('rollback = "2m"', 'rollback = "3m"'), "limits.rollback = 180 s (was 120 s)"),
    "an old certificate": (('certificate = "72h"', 'certificate = "73h"'), "limits.certificate = 262800 s "),
    "forgiven errors": (("errors = 5", "errors = 6"), "watch.errors = 6 (was 5)"),
    "forgiven slowness": (("slower = 2", "slower = 3"), "watch.slower = 3 (was 2)"),
    "a slower stage": (('acceptance = "15m"', 'acceptance = "16m"'), "slo.acceptance = 960 s (was 900 s)"),
    "a check's name": (('name = "csrf"', 'name = "other"'), "checks.csrf is gone"),
    "a check's answer": (("status = 401", "status = 200"), "checks.me.status = 200 (was 401)"),
    "a check's time": (('within = "2s"', 'within = "3s"'), "checks.health.within = 3 s (was 2 s)"),
    "a check's word": (('json = { status = "healthy" }', ""), "checks.health.json is gone"),
    "a log rule": (('name = "worker timeout"', 'name = "x"'), "logs.rules.worker timeout is gone"),
    "a criterion": ((', "evidence_is_kept"', ""), "done.criteria.evidence_is_kept is gone"),
    "another list": (('file = "docs/blockers.toml"', 'file = "b.toml"'), "blockers.file = b.toml (was docs/"),
    "less deploys": (('docs = ["docs/**"', 'docs = ["app/x", "docs/**"'), "scope.docs.app/x = app/x"),
    "a name": (('aliases = ["autorisen-dac8e65796e7"]', ""), "environments.prod.aliases is gone"),
    "a migration": (("-m alembic upgrade", "-m alembic stamp"), "commands.migrate = python"),
    "a rule that is off": (('name = "5xx"', 'name = "5xx"\non = false'), "logs.rules.5xx.on = false"),
    "fewer rounds": (('watch_every = "2s"', 'watch_every = "9s"'), "targets.live.watch_every = 9 s (was 2 s)"),
    "another question": (('name = "me"', 'name = "me"\nsend = { X-A = "1" }'), "checks.me.send.X-A = 1"),
    "another platform": (("https://api.heroku.com", "https://x.example.org"), "targets.live.api = https://x"),
    "a journal elsewhere": (("", '\n[journal]\nstore = "s3://bucket/x"\n'), "journal.store = s3://bucket/x"),
}  # fmt: skip


@pytest.mark.parametrize("what", WEAKER)
def test_what_may_demand_less_is_named(what: str):
    change, said = WEAKER[what]
    found = weaker(OURS, changed(change), trust=False)
    assert any(one.startswith(said) for one in found), found
    assert weaker(OURS, OURS, trust=True) == ()


@pytest.mark.parametrize(
    "change",
    [
        ('rollback = "2m"', 'rollback = "1m"'),
        ('watch = "2m"', 'watch = "3m"'),
        ('mode = "observe"', 'mode = "enforce"'),
        ("errors = 5", "errors = 4"),
        ('app = "autorisen"', 'app = "autorisen"\nproduction = true'),
        ('poll = "2s"', 'poll = "3s"'),
        ('name = "capecontrol"', 'name = "other"'),
        ('target = "sandbox"', 'target = "live"'),
        ('within = "2s"', 'within = "1s"'),
        ("", '\n[[checks]]\nname = "more"\npath = "/more"\nsend = { X-A = "1" }\n'),
        ("", '\n[environments.other]\napp = "another-app"\n'),
        ("", GITHUB),
        ("# Durations", "# A comment. Durations"),
    ],
)
def test_what_is_as_strict_is_passed_over(change: tuple[str, str]):
    assert weaker(OURS, changed(change), trust=False) == ()


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (('mode = "enforce"', 'mode = "observe"'), "slo.mode = observe (was enforce)"),
        ((GITHUB, ""), "github is gone"),
        (('check = "unit"', 'check = "lint"'), "github.check = lint (was unit)"),
    ],
)
def test_what_was_made_stricter_is_no_way_back(back: tuple[str, str], said: str):
    old = changed(('mode = "observe"', 'mode = "enforce"'), ("", GITHUB))
    assert [one for one in weaker(old, changed(back, old=old), trust=False) if one.startswith(said)]


def test_a_check_that_is_gone_is_said_once():
    text = OURS["release.toml"].decode()
    begin, end = text.index('[[checks]]\nname = "me"'), text.index('[[checks]]\nname = "version"')
    new = {**OURS, "release.toml": (text[:begin] + text[end:]).encode()}
    assert weaker(OURS, new, trust=False) == ("checks.me is gone",)


def test_a_file_that_an_older_version_wrote_is_named_as_a_whole():
    old = {**OURS, "release.toml": b"schema = 0\n"}
    assert weaker(old, OURS, trust=False) == ("release.toml changed",)
    assert weaker(OURS, old, trust=False) == ("release.toml changed",)


def edited(name: str, edit: Callable[[str], str]) -> dict[str, bytes]:
    return {**OURS, name: edit(OURS[name].decode()).encode()}


def test_a_guard_that_is_asked_no_more_that_changed_or_that_is_gone_is_named():
    init = "guards/__init__.py"
    found = weaker(OURS, edited(init, lambda s: s.replace("        tree_is_clean,\n", "", 1)), trust=False)
    assert found == ("deploy no longer asks tree_is_clean", f"{init} changed")
    found = weaker(OURS, edited(init, lambda s: s.replace('    "adopt": (', '    "adapt": (')), trust=False)
    assert "adopt no longer asks production_is_unlocked" in found
    assert weaker(OURS, edited(init, lambda s: "GUARDS = {"), trust=False)[-1] == f"{init} changed"
    emptied = weaker(OURS, edited(init, lambda s: "GUARDS = {}"), trust=False)
    assert "deploy no longer asks tree_is_clean" in emptied
    assert weaker(OURS, edited("guards/one_head.py", str.upper), trust=False) == (
        "guards/one_head.py changed",
    )
    gone = {name: data for name, data in OURS.items() if name != "guards/one_head.py"}
    assert weaker(OURS, gone, trust=False) == ("guards/one_head.py is gone",)
    assert weaker(gone, OURS, trust=False) == (), "a rule that was added"


def test_trust_decides_on_a_live_target_alone():
    key, other = {".release/trust/a.pub": b"a"}, {".release/trust/a.pub": b"b"}
    for old, new, said in (({}, key, "is new"), (key, {}, "is gone"), (key, other, "changed")):
        assert weaker(OURS | old, OURS | new, trust=True) == (f".release/trust/a.pub {said}",)
        assert weaker(OURS | old, OURS | new, trust=False) == ()
