"""The whole road in three logs, and what an auditor sees when one of them tells another story than the others."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from roadworthy.journal import audit as auditor
from roadworthy.journal import audit_pieces, audit_road
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.log import Log
from roadworthy.journal.sign import Trust, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS, both, path_of
from .making import DIGEST, PACKAGE, needs, record
from .tampering import Tamper, lie, said, to_link

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]

TESTS = PACKAGE.replace("slug:", "package-")
OTHER = "51" * 32
STAGES = {"test": "verification", "accept": "verification", "certify": "verification"}


def log_of(root: Path, environment: str, target: str = "sandbox") -> Log:
    return Log(
        Folder(root / "journal"),
        environment=environment,
        target=target,
        signer=load_signer(root / "keys" / "deployer"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 20, 18, 30, tzinfo=UTC),
    )


def did(log: Log, environment: str, action: str, kind: str = "end", **start: Any) -> Entry:
    """A start and what settles it."""
    where = {
        "environment": environment,
        "action": action,
        "stage": STAGES.get(action, action),
        "digest": start.pop("digest", DIGEST),
        "subject": start.pop("subject", PACKAGE),
    }
    begun = log.append(record("start", **where, **start))
    return log.append(record(kind, settles=begun.seq, **where))


def went(root: Path, *stages: str, place: str = TESTS, digest: str = DIGEST) -> None:
    """Stages of a package, each "ACTION" when it ended well, or "ACTION KIND". An intake names no package."""
    for stage in stages:
        action, _, kind = stage.partition(" ")
        about = {"subject": "none", "digest": ""} if action == "intake" else {"digest": digest}
        did(log_of(root, place), place, action, kind or "end", **about)


def proof(entry: Entry) -> dict[str, Any]:
    action, place = entry.record.action, entry.record.environment
    return {"action": action, "environment": place, "seq": entry.seq, "sha256": entry.sha256}


@pytest.fixture
def road(root: Path) -> Path:
    """One package: a failed test run and a good one; on staging deployed, migrated, certified; then on prod."""
    shutil.rmtree(root / "journal")
    tests, staging, prod = (log_of(root, place) for place in (TESTS, "staging", "prod"))
    did(tests, TESTS, "test", "failed")
    tested = did(tests, TESTS, "test")
    did(staging, "staging", "deploy", proofs=[proof(tested)])
    did(staging, "staging", "migrate")
    certified = did(staging, "staging", "certify")
    did(prod, "prod", "deploy", proofs=[proof(tested), proof(certified)])
    return root


def test_a_sound_road_passes_in_every_log(path: str, road: Path) -> None:
    for place in (TESTS, "staging", "prod"):
        assert both(path, road, f"sandbox/{place}") == ("", "")


def proven(change: Callable[[list[Any]], object]) -> Tamper:
    """Change what the deploy to prod names as its proofs."""
    return lie(1, lambda s: change(s["predicate"]["details"]["proofs"]))


def about(digest: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["subject"][0]["digest"].update(sha256=digest)


def names_the_entry(seq: int, place: str) -> Tamper:
    """The deploy to prod names the bytes that lie there now, whatever they say."""

    def tamper(root: Path) -> None:
        digest = hashlib.sha256(path_of(root, seq, place).read_bytes()).hexdigest()
        proven(lambda p: p[1].update(environment=place, seq=seq, sha256=digest))(root)

    return tamper


def certified_another(root: Path) -> None:
    for seq in (5, 6):
        lie(seq, about(OTHER), "staging")(root)
    names_the_entry(6, "staging")(root)


def no_entry(root: Path) -> None:
    path_of(root, 6, "staging").write_bytes(b"{}")
    names_the_entry(6, "staging")(root)


OTHERS: dict[str, Tamper] = {
    "the certificate's entry gone": lambda r: path_of(r, 6, "staging").unlink(),
    "the journal of staging gone": lambda r: shutil.rmtree(path_of(r, 6, "staging").parent),
    "the tests' journal gone": lambda r: shutil.rmtree(path_of(r, 1, TESTS).parent),
    "the certificate written anew": lie(6, said(nonce="0" * 32), "staging"),
    "a certificate of another package": certified_another,
    "something that is no entry": no_entry,
    "a huge certificate": lambda r: path_of(r, 6, "staging").write_bytes(b" " * (2**20 + 1)),
    "a link in the place of the certificate": lambda r: to_link(path_of(r, 6, "staging")),
    "a test run that failed": names_the_entry(2, TESTS),
    "a start as a certificate": names_the_entry(5, "staging"),
    "another action's success": names_the_entry(4, "staging"),
    "an entry that never was": proven(lambda p: p[1].update(seq=8)),
    "a proof with a path": proven(lambda p: p[1].update(environment="../sandbox/staging")),
    "a proof without a number": proven(lambda p: p[1].update(seq=True)),
    "a proof with more to say": proven(lambda p: p[1].update(more=1)),
    "a proof that is a text": proven(lambda p: p.append("certify")),
}


@pytest.mark.parametrize("tamper", OTHERS.values(), ids=OTHERS.keys())
def test_what_opened_the_way_must_be_there(path: str, road: Path, tamper: Tamper) -> None:
    tamper(road)
    assert both(path, road) == ("00000001.json", "proof")


def linked_folder(root: Path) -> None:
    folder = path_of(root, 1, "staging").parent
    folder.rename(root / "elsewhere")
    folder.symlink_to(root / "elsewhere")


def test_a_log_that_is_a_link_proves_nothing(path: str, road: Path) -> None:
    linked_folder(road)
    assert both(path, road) == ("00000001.json", "proof")


def test_a_certificate_of_what_was_not_deployed_is_out_of_order(path: str, road: Path) -> None:
    for seq in (5, 6):
        lie(seq, about(OTHER), "staging")(road)
    assert both(path, road, "sandbox/staging") == ("00000006.json", "stage")


def test_a_migration_before_any_deploy_is_out_of_order(path: str, road: Path) -> None:
    did(log_of(road, "fresh"), "fresh", "migrate")
    assert both(path, road, "sandbox/fresh") == ("00000002.json", "stage")


@pytest.mark.parametrize("action", ["migrate", "certify", "config", "complete"])
def test_only_of_what_was_deployed_last_can_it_be_said(path: str, road: Path, action: str) -> None:
    staging = log_of(road, "staging")
    did(staging, "staging", action, "failed", digest=OTHER)
    did(staging, "staging", action)
    assert both(path, road, "sandbox/staging") == ("", "")
    did(staging, "staging", action, digest=OTHER)
    assert both(path, road, "sandbox/staging") == ("00000012.json", "stage")


IN_ORDER: dict[str, list[str]] = {
    "each once": ["intake", "build", "accept", "release"],
    "tests at any time": ["test", "intake", "test failed", "build", "test", "accept", "release", "test"],
    "a NO, then a YES": ["intake", "build", "accept failed", "accept", "release"],
    "accepted again": ["intake", "build", "accept", "release", "accept", "release"],
    "a YES taken back, and given again": [
        *("intake", "build", "accept", "release", "accept failed", "accept", "release")
    ],
    "an intake that was refused": ["intake failed", "intake", "build", "accept", "release"],
    "taken in again": ["intake", "build", "intake failed", "intake", "accept", "release"],
    "an intake that was refused after the release": ["intake", "build", "accept", "release", "intake failed"],
    "what failed or was given up": [
        "intake",
        "build failed",
        "build abandon",
        "build",
        "accept abandon",
        "accept",
    ],
    "who lost a race and gave up": ["release abandon", "accept abandon", "build abandon", "intake", "build"],
}


@pytest.mark.parametrize("stages", IN_ORDER.values(), ids=IN_ORDER.keys())
def test_the_stages_of_a_package_pass_in_their_order(path: str, road: Path, stages: list[str]) -> None:
    went(road, *stages)
    assert both(path, road, f"sandbox/{TESTS}") == ("", "")


OUT_OF_ORDER: dict[str, list[str]] = {
    "a build before the intake": ["build"],
    "a build after an intake that was refused": ["intake failed", "build"],
    "a build after an intake that was given up": ["intake abandon", "build"],
    "an acceptance before the build": ["intake", "accept"],
    "an acceptance after a build that failed": ["intake", "build failed", "accept"],
    "an acceptance after the intake was taken back": ["intake", "build", "intake failed", "accept"],
    "a release before the acceptance": ["intake", "build", "release"],
    "a release after tests alone": ["intake", "build", "test", "release"],
    "a release after a NO": ["intake", "build", "accept failed", "release"],
    "a release after a YES that was taken back": ["intake", "build", "accept", "accept failed", "release"],
    "a release again after a NO": ["intake", "build", "accept", "release", "accept failed", "release"],
    "a release after the intake was taken back": ["intake", "build", "accept", "intake failed", "release"],
    "a release alone": ["release"],
}


@pytest.mark.parametrize("stages", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER.keys())
def test_no_stage_of_a_package_ends_well_before_its_turn(path: str, road: Path, stages: list[str]) -> None:
    went(road, *stages)
    assert both(path, road, f"sandbox/{TESTS}") == (f"{4 + 2 * len(stages):08d}.json", "stage")


@pytest.mark.parametrize("stages", [["build"], ["build", "accept"], ["build", "accept", "release"]])
def test_a_stage_that_names_no_package_is_none(path: str, road: Path, stages: list[str]) -> None:
    place = "package-" + "1" * 40
    went(road, "intake", *stages[:-1], place=place)
    did(log_of(road, place), place, stages[-1], subject="none", digest="")
    assert both(path, road, f"sandbox/{place}") == (f"{2 + 2 * len(stages):08d}.json", "package")


def test_a_long_log_of_a_package_is_in_order_as_a_whole(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_pieces, "ALONE", 0)
    monkeypatch.setattr(audit_pieces, "_PIECE", 3)
    pieces: list[object] = []
    monkeypatch.setattr(audit_pieces, "_judged", lambda *a: pieces.append(a) or {})
    folder = road / "journal/sandbox" / TESTS
    went(road, "intake", "build", *["test"] * 4, "accept")
    assert auditor.audit(folder, processes=2) == []
    went(road, *["test"] * 4, "accept failed", *["test"] * 4, "release")
    (found,) = auditor.audit(folder, processes=2)
    assert (found.name, found.code, pieces) == ("00000038.json", "stage", [])


def deployed(root: Path, digest: str = OTHER, subject: str = PACKAGE) -> None:
    """A deploy to an environment of its own that names no proofs."""
    did(log_of(root, "fresh"), "fresh", "deploy", digest=digest, subject=subject)


def named(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda statement: statement["subject"][0].update(name=name)


NOT_AS_BUILT: dict[str, tuple[Callable[[Path], object], int]] = {
    "another package": (deployed, 1),
    "an image of that commit": (lambda r: deployed(r, subject=PACKAGE.replace("slug", "image")), 1),
    "an end that names another commit than its start": (
        lambda r: (deployed(r, subject="slug:" + "0" * 40), lie(2, named(PACKAGE), "fresh")(r)),
        2,
    ),
    "an end whose start names no package": (
        lambda r: (
            deployed(r),
            lie(1, named("environment:sandbox/fresh"), "fresh")(r),
            lie(1, about("0" * 64), "fresh")(r),
        ),
        2,
    ),
    "after others": (
        lambda r: (deployed(r, DIGEST), deployed(r, subject="slug:" + "0" * 40), deployed(r)),
        5,
    ),
}


@pytest.mark.parametrize(("act", "bad"), NOT_AS_BUILT.values(), ids=NOT_AS_BUILT.keys())
def test_a_commit_is_deployed_as_it_was_built(
    path: str, road: Path, act: Callable[[Path], object], bad: int
) -> None:
    act(road)
    assert both(path, road, "sandbox/fresh") == ("", ""), "nothing was built before"
    went(road, "intake", "build")
    assert both(path, road, "sandbox/fresh") == (f"{bad:08d}.json", "package")


def of_tests(change: Callable[[Path], object]) -> Callable[[Path], object]:
    """Change the folder of the package's log, after its build, and deploy another package."""

    def act(root: Path) -> None:
        went(root, "intake", "build")
        deployed(root)
        change(path_of(root, 1, TESTS).parent)

    return act


def elsewhere(folder: Path) -> None:
    folder.rename(folder.parents[2] / "elsewhere")
    folder.symlink_to(folder.parents[2] / "elsewhere")


def another_log(folder: Path) -> None:
    shutil.rmtree(folder)
    went(folder.parents[2], "intake", "build", place="package-" + "2" * 40)
    (folder.parent / ("package-" + "2" * 40)).rename(folder)


def built_later(root: Path) -> None:
    went(root, "intake", "build")
    deployed(root)
    lie(1, said(at="2026-11-20T18:29:59.999999Z"), "fresh")(root)


BUILT_OF_NOTHING: dict[str, Callable[[Path], object]] = {
    "the same package": lambda r: (went(r, "intake", "build"), deployed(r, DIGEST)),
    "another commit": lambda r: (went(r, "intake", "build"), deployed(r, subject="slug:" + "0" * 40)),
    "something that is no package": lambda r: (went(r, "intake", "build"), deployed(r, subject="slug:4b4b")),
    "a build that failed": lambda r: (went(r, "intake", "build failed"), deployed(r)),
    "a deploy that failed": lambda r: (
        went(r, "intake", "build"),
        did(log_of(r, "fresh"), "fresh", "deploy", "failed", digest=DIGEST),
    ),
    "a build that was recorded when the deploy ran": built_later,
    "no log of the package": of_tests(shutil.rmtree),
    "a log of the package that is a link": of_tests(elsewhere),
    "a log of another package under that name": of_tests(another_log),
    "an entry before the build gone": of_tests(lambda folder: (folder / "00000002.json").unlink()),
    "an entry before the build unreadable": of_tests(
        lambda folder: (folder / "00000002.json").write_bytes(b"{}")
    ),
    "an entry before the build a link": of_tests(lambda folder: to_link(folder / "00000002.json")),
    "an entry before the build too big": of_tests(
        lambda folder: (folder / "00000002.json").write_bytes(b" " * (2**20 + 1))
    ),
}


@pytest.mark.parametrize("act", BUILT_OF_NOTHING.values(), ids=BUILT_OF_NOTHING.keys())
def test_only_a_build_that_its_log_tells_of_binds_a_deploy(
    path: str, road: Path, act: Callable[[Path], object]
) -> None:
    act(road)
    assert both(path, road, "sandbox/fresh") == ("", "")


def test_each_commit_is_looked_up_once(road: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a log is, and though there is nothing to be found."""
    for _ in range(3):
        for commit in "01":
            deployed(road, subject="slug:" + commit * 40)
    asked: list[object] = []
    read = audit_road.bytes_of
    monkeypatch.setattr(audit_road, "bytes_of", lambda *a: asked.append(a) or read(*a))
    assert auditor.audit(road / "journal/sandbox/fresh", processes=1) == []
    assert len(asked) == 2


def test_one_commit_has_one_package(path: str, road: Path) -> None:
    did(log_of(road, TESTS), TESTS, "test", digest=OTHER)
    assert both(path, road, f"sandbox/{TESTS}") == ("00000005.json", "package")


def test_what_failed_changes_nothing_of_the_order(path: str, road: Path) -> None:
    """A deploy that failed leaves what ran before; it may be migrated, certified and rolled back to."""
    staging = log_of(road, "staging")
    did(staging, "staging", "deploy", "failed", digest=OTHER)
    did(staging, "staging", "migrate", "failed", digest=OTHER)
    did(staging, "staging", "certify")
    did(staging, "staging", "rollback", digest=OTHER)
    did(staging, "staging", "certify", digest=OTHER)
    assert both(path, road, "sandbox/staging") == ("", "")


def policy(root: Path, needed: str) -> None:
    (root / "trust" / "trust.toml").write_text(
        'version = 1\n[[rule]]\nkey = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\n'
        f'actions = ["deploy"]\nneeds = {needed}\n'
        '[[rule]]\nkey = "deployer"\ntarget = "sandbox"\nenvironments = ["*"]\nstages = ["*"]\n'
        'actions = ["test", "migrate", "certify"]\n'
    )


def test_a_policy_can_need_proofs_of_a_start(path: str, road: Path) -> None:
    policy(road, '["test"]')
    assert both(path, road) == both(path, road, "sandbox/staging") == ("", "")
    policy(road, '["certify", "test"]')
    assert both(path, road) == ("", "")
    assert both(path, road, "sandbox/staging") == ("00000001.json", "policy")
    with pytest.raises(JournalError, match="needs a proof of certify"):
        log_of(road, "staging").entries()
    policy(road, '"test"')
    assert both(path, road) == ("trust", "policy")


def test_nobody_writes_a_start_without_the_proofs_that_it_needs(path: str, road: Path) -> None:
    policy(road, '["certify"]')
    with pytest.raises(JournalError, match="needs a proof of certify"):
        log_of(road, "fresh").append(record("start", environment="fresh"))
    assert not (road / "journal/sandbox/fresh").exists()


def test_the_pieces_of_a_long_log_know_what_was_deployed_before_them(
    road: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several processes judge pieces of three entries; none of them is asked again when all is well."""
    staging = log_of(road, "staging")
    for _ in range(4):
        did(staging, "staging", "certify")
    monkeypatch.setattr(audit_pieces, "ALONE", 0)
    monkeypatch.setattr(audit_pieces, "_PIECE", 3)
    whole = auditor._walk
    asked: list[object] = []
    monkeypatch.setattr(auditor, "_walk", lambda *a: (asked.append(a), *whole(*a))[1:])
    folder = road / "journal/sandbox/staging"
    assert (auditor.audit(folder, processes=2), asked) == ([], [])
    for seq in (11, 12):
        lie(seq, about(OTHER), "staging")(road)
    (found,) = auditor.audit(folder, processes=2)
    assert (found.name, found.code, len(asked)) == ("00000012.json", "stage", 1)


PARTS = [{"name": "web", "digest": "a" * 64}, {"name": "api", "digest": "b" * 64, "release": 3}]
TOGETHER = hashlib.sha256(f"{'b' * 64}  api\n{'a' * 64}  web\n".encode()).hexdigest()


@pytest.fixture
def several(road: Path) -> Path:
    """A release of two components, built and deployed."""
    went(road, "intake", place=OTHERS_LOG)
    did(log_of(road, OTHERS_LOG), OTHERS_LOG, "build", digest=TOGETHER, components=PARTS)
    did(log_of(road, "pair"), "pair", "deploy", digest=TOGETHER, to={"components": PARTS})
    return road


OTHERS_LOG = "package-" + "9" * 40


def parts(change: Callable[[list[Any]], object]) -> Tamper:
    return lie(1, lambda s: change(s["predicate"]["to"]["components"]), "pair")


def told(value: object) -> Tamper:
    return lie(1, lambda s: s["predicate"].update(to={"components": value}), "pair")


def test_components_that_are_together_the_package_pass(path: str, several: Path) -> None:
    for place in ("pair", OTHERS_LOG):
        assert both(path, several, f"sandbox/{place}") == ("", "")


@pytest.mark.parametrize("value", [None, False, []])
def test_a_package_that_names_no_components_has_one(path: str, several: Path, value: object) -> None:
    told(value)(several)
    assert both(path, several, "sandbox/pair") == ("", "")


NOT_TOGETHER: dict[str, Tamper] = {
    "another digest": parts(lambda p: p[1].update(digest="c" * 64)),
    "another name": parts(lambda p: p[1].update(name="apj")),
    "two swapped": parts(lambda p: (p[0].update(name="api"), p[1].update(name="web"))),
    "one left out": parts(lambda p: p.pop()),
    "one more": parts(lambda p: p.append({"name": "worker", "digest": "c" * 64})),
    "one twice": parts(lambda p: p.append(p[0])),
    "a name twice": parts(lambda p: p[1].update(name="web")),
    "a digest in capitals": parts(lambda p: p[1].update(digest="B" * 64)),
    "no digest": parts(lambda p: p[1].update(digest="")),
    "a digest of another type": parts(lambda p: p[1].update(digest=1)),
    "a name with a line in it": parts(lambda p: p[1].update(name="api\nweb")),
    "a name with a path": parts(lambda p: p[1].update(name="../api")),
    "a name of another type": parts(lambda p: p[1].update(name=["api"])),
    "a text": told("web"),
    "a number": told(0),
    "a table": told({"web": "a" * 64}),
    "a list of texts": told(["web", "api"]),
    "one of many is no table": parts(lambda p: p.append(1)),
}


@pytest.mark.parametrize("tamper", NOT_TOGETHER.values(), ids=NOT_TOGETHER.keys())
def test_components_that_are_not_the_package_are_named(path: str, several: Path, tamper: Tamper) -> None:
    tamper(several)
    assert both(path, several, "sandbox/pair") == ("00000001.json", "package")


def test_components_of_a_build_are_the_package_too(path: str, several: Path) -> None:
    lie(3, lambda s: s["predicate"]["details"].update(components=[PARTS[0]]), OTHERS_LOG)(several)
    assert both(path, several, f"sandbox/{OTHERS_LOG}") == ("00000003.json", "package")
