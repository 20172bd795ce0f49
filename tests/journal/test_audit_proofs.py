"""What a start names as its proofs: the reader and both auditors follow each to the key that signed it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadworthy.journal.audit import audited, read_beside
from roadworthy.journal.entry import Entry, JournalError, seal
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


@pytest.mark.parametrize("action", PROOFS)
def test_a_proof_that_the_deploy_key_signed_is_none(path: str, root: Path, action: str) -> None:
    place = "staging" if action == "certify" else OURS
    deployed(root, **{action: proof(did(root, action, place, key="deploy"))})
    assert agreed(path, root) == (FORGED, "proof")


def of_another_package(root: Path) -> dict[str, Any]:
    return proof(did(root, "accept", ANOTHERS))


def in_an_environment(root: Path) -> dict[str, Any]:
    return proof(did(root, "accept", "staging"))


def of_another_digest(root: Path) -> dict[str, Any]:
    return proof(did(root, "accept", OURS, digest="51" * 32))


def altered(root: Path, entry: Entry, old: bytes, new: bytes) -> dict[str, Any]:
    """The proof of an entry whose bytes somebody without a key changed, by their digest now."""
    file = root / "journal/live" / entry.record.environment / f"{entry.seq:08d}.json"
    data = file.read_bytes()
    assert old in data
    file.chmod(0o644)
    file.write_bytes(data.replace(old, new, 1))
    return proof(entry, sha256=hashlib.sha256(file.read_bytes()).hexdigest())


def unsigned(root: Path) -> dict[str, Any]:
    one, other = did(root, "accept", OURS), did(root, "accept", OURS)

    def signature(entry: Entry) -> bytes:
        return (
            (root / "journal/live" / OURS / f"{entry.seq:08d}.json")
            .read_bytes()
            .partition(b'"sig":"')[2][:88]
        )

    return altered(root, one, signature(one), signature(other))


NONE: dict[str, Callable[[Path], dict[str, Any]]] = {
    "in the log of another package": of_another_package,
    "in an environment's log": in_an_environment,
    "about another package": of_another_digest,
    "of another stage": lambda r: proof(did(r, "accept", OURS, key="approval", stage="release")),
    "a failure": lambda r: proof(did(r, "accept", OURS, "failed")),
    "a start": lambda r: proof(written(r, "start", "accept", OURS)),
    "of another action": lambda r: proof(did(r, "test", OURS), action="accept"),
    "another entry's digest": lambda r: good(r)["accept"] | {"sha256": good(r)["test"]["sha256"]},
    "another entry's number": lambda r: good(r)["accept"] | {"seq": good(r)["test"]["seq"]},
    "a number that is not there": lambda r: good(r)["accept"] | {"seq": 99},
    "a log that is not there": lambda r: good(r)["accept"] | {"environment": ANOTHERS},
    "not signed": unsigned,
    "of a key that nobody knows": lambda r: altered(
        r, did(r, "accept", OURS), b'"keyid":"SHA256:', b'"keyid":"SHA256;'
    ),
    "no entry": lambda r: altered(r, did(r, "accept", OURS), b"{", b"["),
}


@pytest.mark.parametrize("make", NONE.values(), ids=NONE.keys())
def test_what_proves_nothing_is_named_with_the_start_that_names_it(
    path: str, root: Path, make: Callable[[Path], dict[str, Any]]
) -> None:
    deployed(root, accept=make(root))
    assert agreed(path, root) == (FORGED, "proof")


def test_an_action_that_proves_nothing_is_no_proof(path: str, root: Path) -> None:
    deployed(root, one_more=proof(did(root, "build", OURS)))
    assert agreed(path, root) == (FORGED, "proof")


@pytest.mark.parametrize("action", ["rollback", "adopt"])
def test_whatever_a_start_begins_its_proofs_are_followed(path: str, root: Path, action: str) -> None:
    deployed(root, action)
    assert agreed(path, root) == ("", "")
    deployed(root, action, accept=proof(did(root, "accept", OURS, key="deploy")))
    assert agreed(path, root) == ("00000005.json", "proof")


def test_a_certificate_stands_in_an_environments_log(path: str, root: Path) -> None:
    deployed(root, certify=proof(did(root, "certify", OURS)))
    assert agreed(path, root) == (FORGED, "proof")


def test_a_log_that_went_is_named(path: str, root: Path) -> None:
    shutil.rmtree(root / "journal/live/staging")
    assert agreed(path, root) == ("00000001.json", "proof")
    with pytest.raises(
        JournalError, match=r"staging/00000004\.json, which opened the way, .*it is not there"
    ):
        reader(root).entries()


def test_an_adopted_release_that_is_certified_proves_as_any_other(path: str, root: Path) -> None:
    did(root, "adopt", "staging", key="verification", stage="verification")
    deployed(root, certify=proof(did(root, "certify", "staging")))
    assert agreed(path, root) == ("", "")


PARTS = [{"name": "api", "digest": "b" * 64}, {"name": "web", "digest": "a" * 64}]
TOGETHER = hashlib.sha256("".join(f"{p['digest']}  {p['name']}\n" for p in PARTS).encode()).hexdigest()


@pytest.mark.parametrize(("digest", "found"), [(TOGETHER, ("", "")), ("a" * 64, (FORGED, "proof"))])
def test_a_release_of_several_components_is_proven_as_a_whole(
    path: str, root: Path, digest: str, found: tuple[str, str]
) -> None:
    about = {"subject": "slug:" + "9" * 40}
    place = "package-" + "9" * 40
    named = [did(root, action, place, digest=digest, **about) for action in ("test", "accept", "release")]
    named.append(did(root, "certify", "staging", digest=digest, **about))
    whole = {**about, "digest": TOGETHER, "to": {"components": PARTS}}
    did(root, "deploy", "prod", start={"proofs": [proof(one) for one in named]}, **whole)
    assert agreed(path, root) == found


def head(root: Path, place: str, seq: int) -> str:
    data = (root / f"journal/live/{place}/{seq:08d}.json").read_bytes()
    return f"live/{place} {seq} {hashlib.sha256(data).hexdigest()}"


def revoke(root: Path, *heads: str) -> None:
    policy(
        root,
        2,
        f'[[revoked]]\nkey = "verification"\ngood = [{", ".join(map(repr, heads))}]\n'.replace("'", '"'),
    )


def narrow(root: Path, *heads: str) -> None:
    """The rule of the verification key is over, and nothing took its place."""
    over = f"good = [{', '.join(map(repr, heads))}]\n".replace("'", '"')
    policy(
        root,
        2,
        verification="".join(
            f"[[rule]]\n{one}{over}" for one in RULES["verification"].split("[[rule]]\n")[1:]
        ),
    )


@pytest.mark.parametrize("end", [revoke, narrow])
def test_what_a_key_signed_after_its_last_good_entry_proves_nothing(
    path: str, root: Path, end: Callable[..., None]
) -> None:
    last = did(root, "test", OURS).seq
    heads = [head(root, OURS, last), head(root, "staging", 4)]
    later = did(root, "accept", OURS)
    end(root, *heads)
    assert agreed(path, root) == ("", ""), "its entries up to the heads stay good"
    deployed(root, accept=proof(later))
    assert agreed(path, root) == (FORGED, "proof")


@pytest.mark.parametrize("forge", [False, True])
@pytest.mark.parametrize("end", [revoke, narrow])
def test_an_entry_that_was_put_in_the_place_of_an_older_one_proves_nothing(
    path: str, root: Path, end: Callable[..., None], forge: bool
) -> None:
    """A thief writes below the last good entry: the digest is the one that is named, but no chain leads from it."""
    about = {"subject": "slug:" + "1" * 40}
    named = [did(root, action, ANOTHERS, **about) for action in ("accept", "test", "release")]
    named.append(did(root, "certify", "staging", **about))
    heads = [head(root, OURS, 10), head(root, ANOTHERS, 6), head(root, "staging", 6)]
    if forge:
        key = load_signer(root / "keys/verification")
        named[0], data = seal(msgspec.structs.replace(named[0], nonce="0" * 32), key.sign)
        file = root / "journal/live" / ANOTHERS / f"{named[0].seq:08d}.json"
        file.chmod(0o644)
        file.write_bytes(data)
    end(root, *heads)
    did(root, "deploy", "prod", start={"proofs": [proof(one) for one in named]}, **about)
    assert agreed(path, root) == ((FORGED, "proof") if forge else ("", ""))


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


def test_an_anchor_of_another_log_alone_is_none_of_this_one(path: str, root: Path, tmp_path: Path) -> None:
    place, seq, sha256 = head(root, "staging", 4).split()
    anchor = tmp_path / "staging.json"
    said = {"target": "live", "environment": place.removeprefix("live/"), "seq": int(seq), "sha256": sha256}
    anchor.write_text(json.dumps(said))
    assert both(path, root, "live/prod", [anchor]) == ("prod", "anchor")
    assert both(path, root, "live/staging", [anchor]) == ("", "")


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
