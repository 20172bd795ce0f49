"""What makes an entry a good one in its log, with made values: its place, turn and clock, its signer's right."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec import UNSET, structs

from roadworthy.journal import audit as auditor
from roadworthy.journal import audit_log, audit_pieces, audit_road, audit_trust
from roadworthy.journal.audit_entry import Bad, Entry, Said
from roadworthy.journal.audit_log import Log
from roadworthy.journal.audit_road import Loss, Start, Walk
from roadworthy.journal.audit_trust import Anchor, Keys

AT = "2026-11-20T18:30:00.000000Z"
PACKAGE, DIGEST, OTHER = "slug:" + "4b" * 20, "9f" * 32, "51" * 32
TESTS = "package-" + "4b" * 20
FOLDER = Path("/journal/live/prod")
RULE = {"key": "deployer", "target": "live", "environments": ["prod"], "stages": ["deploy"], "actions": ["*"]}
POLICY = (4, "a" * 64)


def said(kind: str = "start", seq: int = 5, **more: Any) -> Said[Any]:
    usual: dict[str, Any] = {
        "action": "deploy", "at": AT, "environment": "prod", "evidence": [], "kind": kind, "nonce": "0f" * 16,
        "prev": "0" * 64, "seq": seq, "stage": "deploy", "target": "live",
    }  # fmt: skip
    return Said(**{**usual, **more})


def log(*rules: dict[str, Any], **more: Any) -> Log:
    """A log of live/prod, the key of which is called deployer."""
    pins, target = more.pop("pins", {}), more.pop("target", "live")
    keys = Keys({"SHA256:k": b""}, {"SHA256:k": "deployer"}, list(rules), **more)
    place = FOLDER.parents[1] / target / "prod"
    return Log(place, (target, "prod"), keys, audit_trust.rules_of(keys, target), pins, {}, {})


def under(policy: tuple[int, str] = POLICY) -> dict[str, Any]:
    return {"policy": {"version": policy[0], "sha256": policy[1]}}


def bad(code: str, words: str = "") -> Any:
    """A context that wants this finding."""
    return pytest.raises(Bad, match=words or None, check=lambda found: found.code == code)


# ---- who may sign ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "in_force", "well"),
    [
        (POLICY, POLICY, True),
        ((3, "b" * 64), POLICY, True),  # an older one was in force then
        ((4, "b" * 64), POLICY, False),  # another one under the same number
        ((5, "b" * 64), POLICY, False),
        ((5, "a" * 64), POLICY, False),
    ],
)
def test_a_policy_keeps_its_number(named: tuple[int, str], in_force: tuple[int, str], well: bool):
    one, judging = said(details=under(named)), log(RULE, policy=in_force)
    if well:
        assert audit_log._may_sign(one, "SHA256:k", judging, AT) == named
    else:
        with bad("policy", f"under policy {named[0]}, and trust.toml is 4"):
            audit_log._may_sign(one, "SHA256:k", judging, AT)


@pytest.mark.parametrize(
    ("before", "named", "well"),
    [
        ((0, ""), POLICY, True),
        (POLICY, POLICY, True),
        ((3, "c" * 64), POLICY, True),
        ((4, "c" * 64), POLICY, False),
        ((5, "c" * 64), POLICY, False),
    ],
)
def test_no_entry_goes_back_to_an_older_policy(before: tuple[int, str], named: tuple[int, str], well: bool):
    one, judging = said(details=under(named)), log(RULE, policy=POLICY)
    if well:
        assert audit_log._permitted(one, "SHA256:k", judging, Walk(policy=before), AT) == named
    else:
        with bad("policy", f"after {before[0]} was in force"):
            audit_log._permitted(one, "SHA256:k", judging, Walk(policy=before), AT)


@pytest.mark.parametrize(
    ("good", "seq", "well"),
    [({}, 5, False), ({"live/prod": (5, "")}, 5, True), ({"live/prod": (4, "")}, 5, False),
     ({"live/staging": (9, "")}, 5, False)],
)  # fmt: skip
def test_a_revoked_key_signs_nothing_after_its_last_good_entry(
    good: dict[str, tuple[int, str]], seq: int, well: bool
):
    judging = log(RULE, revoked={"SHA256:k": good})
    if well:
        audit_log._may_sign(said(seq=seq), "SHA256:k", judging, AT)
    else:
        with bad("policy", r"deployer\.pub \(SHA256:k\) was revoked"):
            audit_log._may_sign(said(seq=seq), "SHA256:k", judging, AT)


def test_a_key_without_a_rule_signs_in_the_sandbox_alone():
    assert audit_log._may_sign(said(target="sandbox"), "SHA256:k", log(target="sandbox"), AT) == (0, "")
    with bad("policy", r"no rule of trust\.toml says so"):
        audit_log._may_sign(said(), "SHA256:k", log(), AT)
    with bad("policy", r"no rule of trust\.toml says so"):  # one that has a rule is bound by it
        audit_log._may_sign(
            said(target="sandbox", stage="release"),
            "SHA256:k",
            log({**RULE, "target": "sandbox"}, target="sandbox"),
            AT,
        )


PROOF = {"action": "accept", "environment": TESTS, "seq": 9, "sha256": OTHER}


@pytest.mark.parametrize(
    ("rule", "more", "lacks"),
    [
        ({}, {}, ""),
        ({"environments": ["staging"]}, {}, 4),
        ({"environments": ["*"], "stages": ["*"]}, {}, ""),
        ({"stages": ["release"]}, {}, 4),
        ({"actions": ["migrate"]}, {}, 4),
        ({"actions": ["migrate", "deploy"]}, {}, ""),
        ({"from": "2026-11-20T18:30:00Z"}, {}, ""),
        ({"from": "2026-11-20T18:30:01Z"}, {}, 2),
        ({"until": "2026-11-20T18:30:01Z"}, {}, ""),
        ({"until": "2026-11-20T18:30:00Z"}, {}, 3),
        ({"until": ""}, {}, ""),
        ({"good": {"live/prod": (5, "")}}, {}, ""),
        ({"good": {"live/prod": (4, "")}}, {}, 1),
        ({"good": {"live/staging": (9, "")}}, {}, 1),
        ({"needs": ["accept"]}, {}, 0),
        ({"needs": ["accept"]}, {"details": {"proofs": [PROOF]}}, ""),
        ({"needs": ["accept", "certify"]}, {"details": {"proofs": [PROOF]}}, 0),
        ({"needs": ["accept"]}, {"kind": "end"}, ""),  # the start has named it
    ],
)
def test_what_a_rule_lacks(rule: dict[str, Any], more: dict[str, Any], lacks: int | str):
    found = audit_log._lacks({**RULE, **rule}, said(**more), AT, "live/prod")
    assert found == (audit_log.NEAREST[lacks] if isinstance(lacks, int) else "")


def test_the_rule_that_came_nearest_is_the_one_that_is_named():
    elsewhere, over = {**RULE, "environments": ["qa"]}, {**RULE, "until": "2026-01-01T00:00:00Z"}
    with bad("policy", "it had expired"):
        audit_log._may_sign(said(), "SHA256:k", log(elsewhere, over), AT)
    assert audit_log._may_sign(said(), "SHA256:k", log(elsewhere, over, RULE), AT) == (0, "")
    with bad("policy", r"no rule of trust\.toml"):  # another target's rule is none here
        audit_log._may_sign(said(), "SHA256:k", log({**RULE, "target": "sandbox"}), AT)


# ---- its clock ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "details", "code"),
    [
        ("", {}, ""),
        ("2026-11-20T18:40:00.999999Z", {}, ""),  # ten minutes
        ("2026-11-20T18:40:01.000000Z", {}, "time"),
        ("2026-11-20T18:40:01.000000Z", {"clock_why": "its battery"}, ""),
        ("2026-11-20T18:40:01.000000Z", {"clock_why": ""}, "time"),
        ("2026-11-20T18:40:01.000000Z", {"clock_why": 1}, "time"),
        ("", {"clock": "2026-11-20T18:29:00.000000Z"}, ""),
        ("", {"clock": "2026-11-20T18:30:00.000001Z"}, "time"),  # later than its time
        ("", {"clock": "yesterday"}, "time"),
        ("", {"clock": None}, "time"),
    ],
)
def test_a_clock_is_never_later_than_the_time_and_set_back_with_a_reason(
    before: str, details: dict[str, Any], code: str
):
    one = said(details=details or UNSET)
    if code:
        with bad(code):
            audit_log._clock(one, Walk(clock=before))
    else:
        assert audit_log._clock(one, Walk(clock=before)) == details.get("clock", AT)


# ---- what opened the way -----------------------------------------------------------------------------------------


def test_a_proof_is_the_end_of_its_action_with_this_package_where_it_belongs(monkeypatch: pytest.MonkeyPatch):
    for action, stage in (("accept", "verification"), ("test", "verification"), ("release", "release")):
        told = ("end", stage, action, DIGEST)
        monkeypatch.setattr(audit_log, "_followed", lambda *_, told=told: told)
        proof = {**PROOF, "action": action}
        audit_log._proven(proof, PACKAGE, DIGEST, log())
        for wrong in (
            ("failed", *told[1:]),
            ("end", "deploy", *told[2:]),
            ("end", stage, "deploy", DIGEST),
            (*told[:3], OTHER),
        ):
            monkeypatch.setattr(audit_log, "_followed", lambda *_, told=wrong: told)
            with bad("proof", f"is no {action} of this package that succeeded"):
                audit_log._proven(proof, PACKAGE, DIGEST, log())


@pytest.mark.parametrize(
    ("action", "place", "belongs"),
    [
        ("accept", TESTS, True),
        ("accept", "package-" + "5c" * 20, False),
        ("accept", "staging", False),
        ("certify", "staging", True),
        ("certify", TESTS, False),
        ("deploy", TESTS, False),  # proves nothing
    ],
)
def test_a_certificate_is_an_environments_and_the_rest_the_packages(
    monkeypatch: pytest.MonkeyPatch, action: str, place: str, belongs: bool
):
    monkeypatch.setattr(audit_log, "_followed", lambda *_: ("end", "verification", action, DIGEST))
    proof = {**PROOF, "action": action, "environment": place}
    if belongs:
        audit_log._proven(proof, PACKAGE, DIGEST, log())
    else:
        with bad("proof"):
            audit_log._proven(proof, PACKAGE, DIGEST, log())


def test_many_starts_name_one_proof_which_is_read_once_and_few_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
):
    read: list[int] = []

    def followed(_place: str, seq: int, *_: Any) -> tuple[str, ...]:
        read.append(seq)
        return "end", "verification", "accept", DIGEST

    monkeypatch.setattr(audit_log, "_followed", followed)
    monkeypatch.setattr(audit_log, "_KEPT", 2)
    judging = log()
    for seq in (1, 1, 2, 2, 1, 3, 3, 1):
        audit_log._proven({**PROOF, "seq": seq}, PACKAGE, DIGEST, judging)
        assert len(judging.followed) <= 2
    assert read == [1, 2, 3, 1]


def test_a_proof_that_is_not_there_or_not_good_opens_no_way(monkeypatch: pytest.MonkeyPatch):
    for error, why in (
        (FileNotFoundError("x"), "it is not there"),
        (Bad("key", "a stranger's"), "a stranger's"),
    ):

        def followed(*_: Any, error: Exception = error) -> tuple[str, ...]:
            raise error

        monkeypatch.setattr(audit_log, "_followed", followed)
        with bad("proof", f"{TESTS}/00000009.json, which opened the way, cannot be believed: {why}"):
            audit_log._proven(PROOF, PACKAGE, DIGEST, log())


@pytest.mark.parametrize(
    ("heads", "asked"),
    [
        ({}, []),
        ({"live/staging": (3, DIGEST)}, []),  # it was over before this entry, which another rule covers
        ({"live/staging": (5, DIGEST)}, [(5, DIGEST)]),
        ({"live/staging": (9, DIGEST)}, [(9, DIGEST)]),
        ({"live/prod": (9, DIGEST)}, []),
    ],
)
def test_what_is_followed_leads_to_the_head_up_to_which_its_signer_was_good(
    monkeypatch: pytest.MonkeyPatch, heads: dict[str, tuple[int, str]], asked: list[tuple[int, str]]
):
    rule = {**RULE, "environments": ["*"], "stages": ["*"]}
    one = Entry(said("end", environment="staging", action="certify", stage="verification"), PACKAGE, DIGEST)
    sha256, looked = hashlib.sha256(b"entry").hexdigest(), list[tuple[int, str]]()
    monkeypatch.setattr(audit_log, "bytes_of", lambda _: b"entry")
    monkeypatch.setattr(audit_log, "opened", lambda *_: SimpleNamespace(keyid="SHA256:k", payload=b""))
    monkeypatch.setattr(audit_log, "verified", lambda *_: None)
    monkeypatch.setattr(audit_log, "understood", lambda _: one)
    monkeypatch.setattr(audit_log, "of_log", lambda *_: {})
    monkeypatch.setattr(audit_log, "_below", lambda head, *_: looked.append(head) or sha256)
    judging = log(rule, {**rule, "good": heads})
    assert audit_log._followed("staging", 5, sha256, judging) == ("end", "verification", "certify", DIGEST)
    assert looked == asked
    with bad("chain", "it is another entry"):
        audit_log._followed("staging", 5, OTHER, judging)
    for place, seq in (("qa", 5), ("staging", 4)):
        with bad("place", "it says that it is entry 5 of live/staging"):
            audit_log._followed(place, seq, sha256, judging)
    monkeypatch.setattr(audit_log, "of_log", lambda *_: {5: {OTHER}})
    with bad("anchor", "another entry of this number"):
        audit_log._followed("staging", 5, sha256, judging)
    monkeypatch.setattr(audit_log, "of_log", lambda *_: {5: {sha256}, 6: {OTHER}})
    monkeypatch.setattr(audit_log, "_below", lambda *_: OTHER)
    if asked:
        with bad("chain", f"it does not lead to entry {asked[0][0]}"):
            audit_log._followed("staging", 5, sha256, judging)


# ---- the road ----------------------------------------------------------------------------------------------------

BEGAN = Start(4, DIGEST, "deploy", "deploy", AT)


@pytest.mark.parametrize(
    ("one", "digest", "began", "code"),
    [
        (said("end", settles=4), DIGEST, BEGAN, ""),
        (said("failed", settles=4), DIGEST, BEGAN, ""),
        (said("abandon", settles=4), DIGEST, BEGAN, ""),
        (said("end", settles=4), DIGEST, None, "lock"),
        (said("end", settles=3), DIGEST, BEGAN, "lock"),
        (said("end", settles=5), DIGEST, BEGAN, "lock"),
        (said("end"), DIGEST, BEGAN, "lock"),
        (said("end", settles="4"), DIGEST, BEGAN, "lock"),
        (said("end", settles=True), DIGEST, structs.replace(BEGAN, seq=1), "lock"),
        (said("end", settles=4, action="rollback"), DIGEST, BEGAN, "stage"),
        (said("failed", settles=4, stage="release"), DIGEST, BEGAN, "stage"),
        (said("abandon", settles=4, action="reconcile", stage="recovery"), DIGEST, BEGAN, ""),
        (said("end", settles=4), OTHER, BEGAN, "package"),
        (said("failed", settles=4), "", BEGAN, "package"),
        (said("abandon", settles=4), OTHER, BEGAN, ""),
        (said("note"), "", BEGAN, ""),
        (said("note", settles=4), "", BEGAN, "lock"),
        (said("refused", settles=None), "", None, ""),
        (said("note", details={"receipts": [1]}), "", None, "effect"),
        (said("note", details={"receipts": []}), "", None, ""),
        (said("start"), DIGEST, BEGAN, "lock"),
        (said("start", verdicts=[{"outcome": "refuse"}]), DIGEST, None, "refused"),
        (said("refused", verdicts=[{"outcome": "refuse"}]), DIGEST, None, ""),
        (said("start", verdicts=[{"outcome": "pass"}, "x"]), DIGEST, None, ""),
    ],
)  # fmt: skip
def test_each_effect_has_a_start_that_nothing_refused(one: Any, digest: str, began: Start | None, code: str):
    walk = Walk(open=began, package=None)
    if code:
        with bad(code):
            audit_road.in_turn(one, digest, walk)
        return
    audit_road.in_turn(one, digest, walk)
    now = {"start": Start(5, digest, "deploy", "deploy", AT), "note": began, "refused": began}
    assert walk.open == now.get(one.kind)


@pytest.mark.parametrize(
    ("change", "well"),
    [
        ({}, True),
        ({"seq": 99_999_999}, True),
        ({"seq": 0}, False),
        ({"seq": 100_000_000}, False),
        ({"seq": True}, False),
        ({"seq": "9"}, False),
        ({"sha256": "x"}, False),
        ({"action": ""}, False),
        ({"environment": "Prod"}, False),
        ({"more": 1}, False),
    ],
)
def test_a_start_names_its_proofs_in_their_form(change: dict[str, Any], well: bool):
    one = said(details={"proofs": [{**PROOF, **change}]})
    if well:
        assert audit_road.in_turn(one, DIGEST, Walk(package=None)) == {}
    else:
        with bad("proof"):
            audit_road.in_turn(one, DIGEST, Walk(package=None))


LOST = {"seq": 7, "sha256": "ab" * 6, "from": "a tag"}


@pytest.mark.parametrize(
    ("lost", "on", "well"),
    [
        ({}, 8, True),
        ({"seq": 5}, 6, True),
        ({"seq": 4}, 8, False),
        ({}, 7, False),
        ({}, 99_999_999, True),
        ({}, 100_000_000, False),
        ({}, True, False),
        ({"seq": True}, 8, False),
        ({"seq": "7"}, 8, False),
        ({"sha256": "ab"}, 8, False),
        ({"sha256": "x" * 12}, 8, False),
        ({"from": ""}, 8, False),
        ({"more": 1}, 8, False),
    ],
)
def test_a_loss_is_accepted_in_one_form(lost: dict[str, Any], on: object, well: bool):
    one = said("note", action="accept-loss", details={"lost": {**LOST, **lost}, "goes_on_at": on})
    one.change = {"why": "a disk broke"}
    if well:
        told = {**LOST, **lost}
        assert audit_road.loss(one) == Loss(
            5, told["seq"], told["sha256"], told["from"], int(str(on)), "a disk broke"
        )
        assert audit_road.loss(structs.replace(one, action="deploy")) is None
        assert audit_road.loss(structs.replace(one, kind="end")) is None
    else:
        with bad("loss"):
            audit_road.loss(one)


# ---- the walk and its pieces -------------------------------------------------------------------------------------


def found_of(monkeypatch: pytest.MonkeyPatch, numbers: list[int], **more: Any) -> list[tuple[str, str]]:
    """File and code of what a walk over entries of these numbers finds, each of which is well."""
    judging = log(pins=more.pop("pins", {}))
    monkeypatch.setattr(auditor, "bytes_of", lambda _: b"")
    monkeypatch.setattr(auditor, "opened", lambda *_: None)
    monkeypatch.setattr(auditor, "verified", lambda *_: None)
    monkeypatch.setattr(auditor, "examine", lambda *_: None)
    found = auditor._walk(judging, numbers, Walk(**more))
    return [(one.name, one.code) for one in found]


def name(seq: int) -> str:
    return f"{seq:08d}.json"


def test_a_gap_is_named_by_its_first_number_or_by_where_the_log_was_to_go_on(monkeypatch: pytest.MonkeyPatch):
    lost = (Loss(2, 4, "ab" * 6, "a tag", 5, ""),)
    assert found_of(monkeypatch, [1, 2, 3]) == []
    assert found_of(monkeypatch, [1, 2, 5]) == [(name(3), "missing")]
    assert found_of(monkeypatch, [2, 3]) == [(name(1), "missing")]
    assert found_of(monkeypatch, [1, 2, 5, 6], lost=lost) == []
    assert found_of(monkeypatch, [1, 2, 6], lost=lost) == [(name(6), "order")]
    assert found_of(monkeypatch, [1, 2, 3], lost=lost) == [(name(3), "order")]
    assert found_of(monkeypatch, []) == [("prod", "folder")]


@pytest.mark.parametrize(
    ("pinned", "found"), [(2, []), (3, [(name(3), "anchor")]), (9, [(name(9), "anchor")])]
)
def test_a_log_is_as_long_as_it_was_when_it_was_anchored(
    monkeypatch: pytest.MonkeyPatch, pinned: int, found: list[tuple[str, str]]
):
    assert found_of(monkeypatch, [1, 2], pins={pinned: set()}) == found


@pytest.mark.parametrize(
    ("pins", "last", "well"),
    [({}, 3, True), ({3: set()}, 3, True), ({1: set(), 4: set()}, 3, False), ({}, 0, False)],
)
def test_a_log_that_was_longer_once_is_in_doubt(
    monkeypatch: pytest.MonkeyPatch, pins: dict[int, set[str]], last: int, well: bool
):
    def judged(_: Log, pieces: list[audit_pieces.Piece]) -> audit_pieces.Found:
        return {piece: (Walk(package=None), Walk(package=None)) for piece in pieces}

    monkeypatch.setattr(audit_pieces, "_judged", judged)
    assert (audit_pieces.all_well(log(pins=pins), last, None) is not None) is well


def entries(monkeypatch: pytest.MonkeyPatch, *told: Entry) -> None:
    """The entries of a log, from its first, unverified."""
    monkeypatch.setattr(audit_pieces, "bytes_of", lambda name, folder: name.encode())
    monkeypatch.setattr(audit_pieces, "unverified", lambda data: told[int(data[:8]) - 1])


def test_a_piece_assumes_the_start_that_is_open_before_it(monkeypatch: pytest.MonkeyPatch):
    start, note = Entry(said("start", 2), PACKAGE, DIGEST), Entry(said("note", 3), PACKAGE, DIGEST)
    end = Entry(said("end", 1, at="2026-11-20T18:00:00.000000Z"), PACKAGE, DIGEST)
    entries(monkeypatch, end, start, note)
    walk = audit_pieces._assumed(0, 4)
    assert walk.open == Start(2, DIGEST, "deploy", "deploy", AT)
    assert (walk.at, walk.clock, walk.package) == (AT, AT, None)
    assert audit_pieces._assumed(0, 2).open is None  # what settled one leaves none open
    assert audit_pieces._assumed(0, 1) == Walk(package=None)
    about = Entry(said("start", 2), "environment:live/prod", DIGEST)
    entries(monkeypatch, end, about)
    assert audit_pieces._assumed(0, 3).open == Start(2, "", "deploy", "deploy", AT)


def test_a_piece_long_after_the_last_start_is_in_doubt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(audit_pieces, "_BACK", 2)
    entries(monkeypatch, *(Entry(said("note", seq), PACKAGE, DIGEST) for seq in range(1, 9)))
    assert audit_pieces._assumed(0, 3).open is None  # it has looked at all
    with bad("lock", "too many entries since the last start"):
        audit_pieces._assumed(0, 4)


# ---- keys and heads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heads", "well"),
    [
        ([], True),
        ([f"live/prod 4 {OTHER}"], True),
        ([f"live/prod 99999999 {OTHER}", f"live/qa 1 {OTHER}"], True),
        ([f"live/prod 4 {OTHER}", f"live/prod 5 {OTHER}"], False),
        ([f"live/prod 0 {OTHER}"], False),
        ([f"live/prod 04 {OTHER}"], False),
        ([f"live/prod 100000000 {OTHER}"], False),
        ([f"live 4 {OTHER}"], False),
        ([f"live/Prod 4 {OTHER}"], False),
        (["live/prod 4 51"], False),
        ([f"live/prod 4 {OTHER}5"], False),
        ([f"live/prod 4 {OTHER.replace('5', 'F')}"], False),
        ([f"live/prod  4 {OTHER}"], False),
        ("live", False),
    ],
)
def test_a_head_is_a_log_a_number_and_a_digest_and_one_for_each_log(heads: Any, well: bool):
    if well:
        read = {one.split()[0]: (int(one.split()[1]), OTHER) for one in heads}
        assert audit_trust._heads(heads, {}) == read
    else:
        with pytest.raises(ValueError, match=r"."):
            audit_trust._heads(heads, {})


@pytest.mark.parametrize(
    ("stem", "well"),
    [("deployer", True), ("a.b", True), ("deployer.pub", False), ("de ployer", False), ("-x", False)],
)
def test_a_file_names_its_key(tmp_path: Path, stem: str, well: bool):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
    (tmp_path / f"{stem}.pub").write_text(f"{key}\n")
    if well:
        assert [*audit_trust.read_trust(tmp_path).stems.values()] == [stem]
    else:
        with bad("policy", "cannot name a key"):
            audit_trust.read_trust(tmp_path)


@pytest.mark.parametrize(
    ("anchors", "policy", "pins"),
    [
        ([], POLICY, {}),
        ([Anchor("live/prod", 4, OTHER)], POLICY, {4: {OTHER}}),
        ([Anchor("live/prod", 4, OTHER), Anchor("live/qa", 7, DIGEST)], POLICY, {4: {OTHER}}),
        ([Anchor("live/prod", 4, OTHER), Anchor("live/prod", 4, DIGEST)], POLICY, {4: {OTHER, DIGEST}}),
        ([Anchor("live/qa", 7, DIGEST)], POLICY, None),  # none of this log
        ([Anchor("live/prod", 4, OTHER, POLICY)], POLICY, {4: {OTHER}}),
        ([Anchor("live/prod", 4, OTHER, POLICY)], (5, "b" * 64), {4: {OTHER}}),
        ([Anchor("live/prod", 4, OTHER, POLICY)], (4, "b" * 64), None),
        ([Anchor("live/prod", 4, OTHER, POLICY)], (3, "a" * 64), None),
    ],
)
def test_anchors_of_a_log_pin_its_entries_and_its_policy(
    anchors: list[Anchor], policy: tuple[int, str], pins: dict[int, set[str]] | None
):
    keys = log(policy=policy).keys
    if pins is None:
        with pytest.raises(Bad):
            audit_trust.of_log(anchors, keys, "live/prod")
    else:
        assert audit_trust.of_log(anchors, keys, "live/prod") == pins


def test_heads_of_revoked_keys_and_of_rules_that_are_over_pin_entries():
    over = {**RULE, "good": {"live/prod": (3, DIGEST)}}
    keys = log(over, revoked={"SHA256:k": {"live/prod": (4, OTHER), "live/qa": (1, OTHER)}}).keys
    assert audit_trust.of_log((), keys, "live/prod") == {4: {OTHER}, 3: {DIGEST}}
    assert audit_trust.heads_of(keys, "SHA256:k", "live/prod") == [(4, OTHER), (3, DIGEST)]
    assert audit_trust.heads_of(log(over).keys, "SHA256:k", "live/qa") == []
