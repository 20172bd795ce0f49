"""What an auditor brings along: keys, the trust policy, and heads that were anchored outside the store.

Shares no code with the writer. Whatever cannot be read whole is a finding, never left out.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from . import audit_text
from .audit_entry import SHA, Bad, bytes_of, is_time, text

_PLACE = r"[a-z0-9][a-z0-9._-]{0,99}"
_RULE = frozenset(("key", "target", "environments", "stages", "actions", "needs", "from", "until", "good"))
_SMALL, _KEY, _TAGS = 64 * 1024, 16 * 1024, 64 * 1024**2


class Keys(Struct, frozen=True):
    """Raw public keys by id, file stems by id; the policy's number, digest and rules, and by revoked key and
    log the last good entry and its digest. So is `good` of a rule that is over, by log.
    """

    raw: dict[str, bytes]
    stems: dict[str, str]
    rules: list[dict[str, Any]] = []
    revoked: dict[str, dict[str, tuple[int, str]]] = {}
    policy: tuple[int, str] = (0, "")


class Anchor(Struct, frozen=True):
    """The head of one log as it was seen outside the store; `policy` is (0, "") where none was named."""

    place: str
    seq: int
    sha256: str
    policy: tuple[int, str] = (0, "")


def read_trust(folder: Path) -> Keys:
    """The keys and the policy of a trust folder. Raises Bad."""
    if not folder.is_dir():
        raise Bad("policy", f"{folder} is not a folder")
    raw: dict[str, bytes] = {}
    stems: dict[str, str] = {}
    for name in sorted(os.listdir(folder), key=os.fsencode):  # noqa: PTH208 - names are what is judged
        if name.startswith(".") or not name.endswith(".pub"):
            continue
        if not text(name, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.pub") or name.endswith(".pub.pub"):
            raise Bad("policy", f"{name[:100]!r} cannot name a key")
        try:
            # A key may be a link to where keys are kept; what it leads to is a small file.
            blob = audit_text.key(bytes_of(os.path.realpath(folder / name), _KEY))
        except (FileNotFoundError, Bad) as error:
            raise Bad("policy", f"{name} cannot be read as a key") from error
        except ValueError as error:
            raise Bad("policy", f"{name} is not one OpenSSH Ed25519 public key") from error
        keyid = "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
        if keyid in raw:
            raise Bad("policy", f"{name} is the same key as {stems[keyid]}.pub")
        raw[keyid], stems[keyid] = blob[19:], name[:-4]
    if not os.path.lexists(folder / "trust.toml"):  # a link that leads nowhere is no permission to do without
        return Keys(raw, stems)
    return _with_policy(folder / "trust.toml", raw, stems)


def read_anchors(source: str, place: str, authority: Path | None = None) -> Iterator[Anchor]:
    """The anchors in a file, or of `git:REPOSITORY` as its tags below `place`, a target or one log. Raises Bad.

    With `authority`, a PEM file of certificates, a file needs an RFC 3161 timestamp of it in FILE.tsr.
    """
    if not source.startswith("git:"):
        yield _anchor(_read(Path(source)), source)
        if authority:
            _timestamped(Path(source), authority)
        return
    import subprocess
    import tempfile

    below = f"refs/tags/roadworthy/{place}/"
    form = "%(refname:strip=2)%00%(objecttype)%00%(contents:body)%01"
    command = ["git", "-C", source[4:], "for-each-ref", f"--format={form}", below]
    with tempfile.TemporaryFile() as out:
        try:
            done = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, timeout=60, check=False)
        except (OSError, subprocess.SubprocessError) as error:
            raise Bad("anchor", f"{source} cannot be read") from error
        if done.returncode or os.fstat(out.fileno()).st_size > _TAGS:
            raise Bad("anchor", f"{source} cannot be read")
        out.seek(0)
        tags = out.read().decode(errors="replace").split("\x01")[:-1]
    for tag in tags:
        name, _, about = tag.lstrip("\n").partition("\0")
        kind, _, body = about.partition("\0")
        found = _anchor(body.encode(), f"tag {name}")
        if kind != "tag" or len(body) >= _SMALL or name != f"roadworthy/{found.place}/{found.seq}":
            raise Bad("anchor", f"tag {name} is not an annotated tag about what its name says")
        yield found


def rules_of(keys: Keys, target: str) -> dict[str, list[dict[str, Any]]]:
    """The rules of each key on one target."""
    rules = [rule for rule in keys.rules if rule["target"] == target]
    return {keyid: [r for r in rules if r["key"] in (keyid, stem)] for keyid, stem in keys.stems.items()}


def of_log(anchors: Sequence[Anchor], keys: Keys, place: str) -> dict[int, set[str]]:
    """The digests that entries of one log must have, by number.

    Raises Bad when the policy is too old, or there are anchors and none is of this log.
    """
    pins: dict[int, set[str]] = {}
    if anchors and all(anchor.place != place for anchor in anchors):
        raise Bad("anchor", "there is no anchor of this log")
    over = (rule["good"] for rule in keys.rules if "good" in rule)
    for heads in (*keys.revoked.values(), *over):
        if place in heads:
            pins.setdefault(heads[place][0], set()).add(heads[place][1])
    for anchor in anchors:
        if anchor.place != place:
            continue
        number, digest = anchor.policy
        if number > keys.policy[0] or (number == keys.policy[0] and digest != keys.policy[1]):
            raise Bad("policy", f"policy {number} was in force when entry {anchor.seq} was anchored")
        pins.setdefault(anchor.seq, set()).add(anchor.sha256)
    return pins


def heads_of(keys: Keys, keyid: str, place: str) -> list[tuple[int, str]]:
    """The entries of one log, by number and digest, up to which a key was good or one of its rules held."""
    over = [one["good"] for one in keys.rules if "good" in one and one["key"] in (keyid, keys.stems[keyid])]
    return [heads[place] for heads in (keys.revoked.get(keyid, {}), *over) if place in heads]


def named_policy(details: Any) -> tuple[int, str]:
    """The policy that an entry or anchor names, (0, "") for none. Raises Bad when it is malformed."""
    said = details.get("policy") if isinstance(details, dict) else None
    if said is None:
        return 0, ""
    ok = isinstance(said, dict) and set(said) == {"version", "sha256"} and text(said["sha256"], SHA)
    if not ok or type(said["version"]) is not int or not 1 <= said["version"] < 10**9:
        raise Bad("policy", "the policy that it names is malformed")
    return said["version"], said["sha256"]


def _anchor(data: bytes, where: str) -> Anchor:
    try:
        said = audit_text.anchor(data)
    except ValueError as error:
        raise Bad("anchor", f"{where} is no anchor") from error
    return Anchor(f"{said['target']}/{said['environment']}", said["seq"], said["sha256"], named_policy(said))


def _read(path: Path) -> bytes:
    try:
        return bytes_of(str(path), _SMALL)
    except (FileNotFoundError, Bad) as error:
        raise Bad("anchor", f"{path} is no anchor") from error


def _timestamped(path: Path, authority: Path) -> None:
    import subprocess

    stamp = f"{path}.tsr"
    command = ["openssl", "ts", "-verify", "-data", str(path), "-in", stamp, "-CAfile", str(authority)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise Bad("anchor", f"{stamp} cannot be checked") from error
    if done.returncode:
        raise Bad("anchor", f"{stamp} is no timestamp of {path.name} by {authority.name}")


def _is_moment(bound: Any) -> bool:
    return isinstance(bound, str) and bound[19:] == "Z" and is_time(f"{bound[:19]}.000000Z")


def _heads(said: Any, heads: dict[str, tuple[int, str]]) -> dict[str, tuple[int, str]]:
    """`heads` with those that `good` names, one for each log. Raises ValueError."""
    if not isinstance(said, list):
        raise ValueError("good is no list")
    for head in said:
        place, number, digest = head.split(" ")
        formed = text(place, f"{_PLACE}/{_PLACE}") and text(number, "[1-9][0-9]{0,7}") and text(digest, SHA)
        if not formed or place in heads:
            raise ValueError("a head is malformed, or a second one of its log")
        heads[place] = int(number), digest
    return heads


def _with_policy(path: Path, raw: dict[str, bytes], stems: dict[str, str]) -> Keys:
    ids = {**{stem: keyid for keyid, stem in stems.items()}, **{keyid: keyid for keyid in raw}}
    revoked: dict[str, dict[str, tuple[int, str]]] = {}
    try:
        data = bytes_of(os.path.realpath(path))
        said = audit_text.policy(data)
        version, rules, ok = said["version"], said["rule"], True
        for rule in rules:
            lists = [rule[one] for one in ("environments", "stages", "actions")] + [rule.get("needs", [])]
            ok &= rule["key"] in ids and isinstance(rule["target"], str)
            ok &= set(rule) <= _RULE
            bounds = (rule.get("from", ""), rule.get("until", ""))
            ok &= all(bound == "" or _is_moment(bound) for bound in bounds)
            ok &= all(isinstance(one, list) and all(isinstance(item, str) for item in one) for one in lists)
            if "good" in rule:
                rule["good"] = _heads(rule["good"], {})
        for one in said["revoked"]:
            ok &= set(one) == {"key", "good"}
            _heads(one["good"], revoked.setdefault(ids[one["key"]], {}))
        if not ok:
            raise ValueError("a rule or a revocation is malformed")
    except Bad as error:
        raise Bad("policy", f"{path.name} cannot be read: {error.why}") from error
    except FileNotFoundError as error:
        raise Bad("policy", f"{path.name} is a link to nothing") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Bad("policy", f"{path.name} is malformed: {error}"[:200]) from error
    listed = "".join(f"{stem} {keyid}\n" for keyid, stem in stems.items())
    digest = hashlib.sha256(listed.encode() + data).hexdigest()
    return Keys(raw, stems, rules, revoked, (version, digest))
