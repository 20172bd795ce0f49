"""What a start names as its proofs: the reader and both auditors follow each to the key that signed it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.journal.audit import audited, read_beside
from roadworthy.journal.entry import Entry, JournalError
from roadworthy.journal.index import Index
from roadworthy.journal.log import Log
from roadworthy.journal.policy import Policy, Rule
from roadworthy.journal.sign import Trust, create_key, load_signer
from roadworthy.journal.store import Folder

from .auditing import TOOLS, both, run
from .making import DIGEST, PACKAGE, needs, record

pytestmark = [pytest.mark.audit, needs("dash", *TOOLS.split())]

COMMIT = PACKAGE.removeprefix("slug:")
OURS, ANOTHERS = f"package-{COMMIT}", "package-" + "1" * 40
STAGE = {"accept": "verification", "certify": "verification", "test": "verification"}
WHOSE = {"intake": "build", "build": "build", "release": "approval", "deploy": "deploy", "rollback": "deploy"}
PROOFS = ["test", "accept", "release", "certify"]
RULE = '[[rule]]\nkey = "{}"\ntarget = "live"\nenvironments = ["*"]\nstages = [{}]\nactions = [{}]\n'
RULES = {
    "build": RULE.format("build", '"intake", "build"', '"*"'),
    "verification": RULE.format("verification", '"verification"', '"*"')
    + RULE.format("verification", '"deploy"', '"deploy"').replace('"*"', '"staging"'),
    "approval": RULE.format("approval", '"release"', '"*"'),
    "deploy": RULE.format("deploy", '"deploy", "rollback", "adopt"', '"*"')
    + f"needs = {PROOFS}\n".replace("'", '"'),
}
FORGED = "00000003.json"
"""The start that names the forged proof: the third entry of production's journal."""


def policy(root: Path, version: int, *more: str, **changed: str) -> None:
    (root / "trust/trust.toml").write_text(
        f"version = {version}\n" + "".join(({**RULES, **changed}).values()) + "".join(more)
    )


def written(
    root: Path, kind: str, action: str, place: str, key: str = "", at: str = "", **said: Any
) -> Entry:
    """Append an entry as somebody does who has this key and asks nothing whether he may."""
    stage = said.pop("stage", STAGE.get(action, action))
    signer = load_signer(root / "keys" / (key or WHOSE.get(action, "verification")))
    trust = Trust.load(root / "trust")
    every = Rule(signer.keyid, "live", ("*",), ("*",), ("*",))
    rules = [Rule(one, "live", ("*",), ("*",), ("*",)) for one in trust.keys]
    log = Log(
        Folder(root / "journal"),
        environment=place,
        target="live",
        signer=signer,
        trust=Trust(trust.keys, Policy(trust.policy.version, trust.policy.sha256, (every, *rules))),
        clock=lambda: datetime.fromisoformat(at or "2026-11-20T18:30:00+00:00").astimezone(UTC),
    )
    log._proofs.check = lambda starts: None  # type: ignore[method-assign]
    return log.append(record(kind, stage=stage, action=action, environment=place, target="live", **said))


def did(
    root: Path, action: str, place: str, kind: str = "end", start: dict[str, Any] | None = None, **said: Any
) -> Entry:
    begun = written(root, "start", action, place, **{**said, **(start or {})})
    return written(root, kind, action, place, settles=begun.seq, **said)


def proof(entry: Entry, **other: Any) -> dict[str, Any]:
    said = entry.record
    return {
        "action": said.action,
        "environment": said.environment,
        "seq": entry.seq,
        "sha256": entry.sha256,
    } | other


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One package from its intake to production, with four keys."""
    root = tmp_path_factory.mktemp("road")
    (root / "trust").mkdir()
    for name in ("build", "verification", "approval", "deploy"):
        create_key(root / "keys", name)
        shutil.copy(root / "keys" / f"{name}.pub", root / "trust")
    policy(root, 1)
    did(root, "intake", OURS, subject="none", digest="")
    did(root, "build", OURS)
    opened = [did(root, action, OURS) for action in ("test", "accept", "release")]
    did(root, "deploy", "staging", key="verification")
    opened.append(did(root, "certify", "staging"))
    did(root, "deploy", "prod", start={"proofs": [proof(one) for one in opened]})
    return root


@pytest.fixture
def root(road: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(road, tmp_path / "root"))


def good(root: Path) -> dict[str, dict[str, Any]]:
    """The proofs that the deploy of the road names, by action."""
    named = reader(root).entries()[0].record.details["proofs"]
    return {one["action"]: dict(one) for one in named}


def reader(root: Path) -> Log:
    store, trust = Folder(root / "journal"), Trust.load(root / "trust")
    return Log(
        store, environment="prod", target="live", signer=None, trust=trust, clock=lambda: datetime.now(UTC)
    )


def agreed(path: str, root: Path) -> tuple[str, str]:
    """What both auditors find in production's journal; the reader refuses exactly what they do."""
    found = both(path, root, "live/prod")
    try:
        reader(root).entries()
        refused = ""
    except JournalError as error:
        refused = str(error)
    assert bool(refused) == bool(found[0]), (found, refused)
    assert found[0] in refused
    return found


def deployed(root: Path, action: str = "deploy", **proofs: dict[str, Any]) -> None:
    """The same package once more, by the deploy key, with these proofs in the place of the good ones."""
    named = [*{**good(root), **proofs}.values()]
    did(root, action, "prod", key="deploy", start={"proofs": named})


def test_the_road_with_four_keys_is_well_and_each_audit_says_what_it_read_beside_it(
    path: str, root: Path
) -> None:
    deployed(root)
    assert agreed(path, root) == ("", "")
    beside = [f"read beside it: {OURS}: entries 1-4, 6, 8, 10", "read beside it: staging: entries 4"]
    assert [*read_beside(audited(root / "journal/live/prod", root / "trust"))] == beside
    done = run(path, root / "journal/live/prod")
    assert done.stdout.splitlines()[1:] == [f"audit: {line}" for line in beside]


def test_what_many_starts_name_is_said_in_short(path: str, root: Path) -> None:
    for _ in range(13):
        did(root, "certify", "staging")
        deployed(root, certify=proof(did(root, "certify", "staging")))
    line = "read beside it: staging: entries 14 of 4-56"
    assert line in [*read_beside(audited(root / "journal/live/prod", root / "trust"))]
    assert f"audit: {line}" in run(path, root / "journal/live/prod").stdout.splitlines()


KINDS, ACTIONS = ["end", "failed", "note", "start"], ["test", "accept", "release", "certify", "build"]
PLACES, KEYS = [OURS, ANOTHERS, "staging"], ["build", "verification", "approval", "deploy"]


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    said=st.fixed_dictionaries({
        "kind": st.sampled_from(KINDS),
        "action": st.sampled_from(ACTIONS),
        "place": st.sampled_from(PLACES),
        "key": st.sampled_from(KEYS),
        "stage": st.sampled_from(["verification", "release", "build"]),
        "digest": st.sampled_from([DIGEST, "51" * 32]),
    }),
    named=st.sampled_from(PROOFS),
)  # fmt: skip
def test_of_all_that_a_proof_may_be_only_the_right_one_counts(
    path: str, road: Path, tmp_path_factory: pytest.TempPathFactory, said: dict[str, str], named: str
) -> None:
    root = Path(shutil.copytree(road, tmp_path_factory.mktemp("any") / "root"))
    kind, action, place, key, stage, digest = (
        said[name] for name in ("kind", "action", "place", "key", "stage", "digest")
    )
    about = {"key": key, "stage": stage, "digest": digest}
    whole = did(root, action, place, kind, **about) if kind in ("end", "failed") else None
    entry = whole or written(root, kind, action, place, **about)
    deployed(root, **{named: proof(entry, action=named)})
    signs = {"build": [], "verification": ["verification"], "approval": ["release"], "deploy": []}
    right = (kind, action, digest) == ("end", named, DIGEST) and stage in signs[key]
    right &= stage == STAGE.get(named, named) and place == ("staging" if named == "certify" else OURS)
    assert agreed(path, root) == (("", "") if right else (FORGED, "proof"))
    shutil.rmtree(root.parent)


def test_what_was_followed_once_is_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index stands for the proofs, too; who has none reads them."""
    monkeypatch.setattr("roadworthy.journal.log.WORTH", 6)  # two entries and four proofs
    store, trust = Folder(root / "journal"), Trust.load(root / "trust")

    def opened() -> Log:
        return Log(
            store,
            environment="prod",
            target="live",
            signer=None,
            trust=trust,
            clock=lambda: datetime.now(UTC),
            index=Index(tmp_path / "state", "prod", trust),
        )

    first, again = opened(), opened()
    assert [one.action for one in first.settled()] == ["deploy"] and first._proofs.read == 4
    shutil.rmtree(root / "journal/live" / OURS)
    assert [one.action for one in again.settled()] == ["deploy"] and again._proofs.read == 0
    written(root, "note", "deploy", "prod")
    assert opened().head() is not None
    with pytest.raises(JournalError, match="cannot be believed: it is not there"):
        opened().entries()
    named = [proof(did(root, "certify", "staging"), action=one) for one in PROOFS]
    did(root, "deploy", "prod", start={"proofs": named})
    with pytest.raises(
        JournalError, match=r"00000004\.json: staging/00000006\.json is no test of this package"
    ):
        opened().head()


def test_who_writes_follows_the_proofs_before_anything_stands_in_the_log(root: Path) -> None:
    named = [*{**good(root), "accept": proof(did(root, "accept", OURS, key="deploy"))}.values()]
    log = Log(
        Folder(root / "journal"),
        environment="prod",
        target="live",
        signer=load_signer(root / "keys/deploy"),
        trust=Trust.load(root / "trust"),
        clock=lambda: datetime(2026, 11, 20, 19, tzinfo=UTC),
    )
    with pytest.raises(JournalError, match="which opened the way, cannot be believed: deploy"):
        log.append(record("start", environment="prod", target="live", proofs=named))
    assert len(log.entries()) == 2
