"""What the road promises, asked of each entry in turn: every effect has a start and none follows a refusal, the
stages are in order, one package goes all the way, and what opened the way is really there.

Shares no code with the writer.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

from msgspec import UNSET, Struct

from .audit_entry import SHA, Bad, Entry, Said, bytes_of, text, understood

_SETTLING, _CHANGING, _ON_WHAT_RUNS = (
    ("end", "failed", "abandon"),
    ("deploy", "rollback", "adopt"),
    ("migrate", "certify", "config", "complete"),
)
# A package's stages, each with those that have to have ended well before it does.
_BEFORE = {
    "intake": (),
    "build": ("intake",),
    "accept": ("intake", "build"),
    "release": ("intake", "build", "accept"),
}
# A failed one takes these back: a NO also the release that rested on an earlier YES.
_TAKES_BACK = {"intake": {"intake"}, "accept": {"accept", "release"}}
of_a_package = re.compile("package-[0-9a-f]{40}").fullmatch
"""Is this the name of a package's log, and not of an environment's?"""
_PACKAGE = re.compile("[a-z]+:([0-9a-f]{40})").fullmatch
_PLACE = r"[a-z0-9][a-z0-9._-]{0,99}"
_COMPONENT = r"[a-z][a-z0-9]{0,30}"
_WORDS = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}"


class Start(Struct, frozen=True):
    """A start that nothing has settled yet; `at` is what its writer's clock said."""

    seq: int
    digest: str
    stage: str
    action: str
    at: str


class Loss(Struct, frozen=True):
    """A note that accepts the loss of entries: its number, the newest one known of those that went and its digest,
    where that was known from, where the log goes on, and the reason that somebody gave.
    """

    seq: int
    last: int
    sha256: str
    source: str
    goes_on_at: int
    why: str


class Walk(Struct):
    """What the entries before the one at hand have established. `prev` is None after a gap.

    `package` is what runs in an environment, or what a package's log is about; None where the entries that say
    so belong to somebody else's piece, who is told in `wants` which it has to be. `stages` are those that a
    package has passed, in its own log. `beside` are the entries of other logs that were read, by log and number;
    `lost` are the losses that were accepted.
    """

    prev: str | None = "0" * 64
    open: Start | None = None
    at: str = ""
    clock: str = ""
    policy: tuple[int, str] = (0, "")
    package: str | None = ""
    wants: str | None = None
    stages: frozenset[str] = frozenset()
    beside: set[tuple[str, int]] = set()
    lost: tuple[Loss, ...] = ()

    def after(self, seq: int) -> int:
        """The number of the entry that comes after the last one, `seq`."""
        return self.lost[-1].goes_on_at if self.lost and self.lost[-1].seq == seq else seq + 1


def loss(said: Said[Any]) -> Loss | None:
    """What an entry accepts as lost; None for any other entry."""
    if (said.kind, said.action) != ("note", "accept-loss"):
        return None
    details: Any = said.details if isinstance(said.details, dict) else {}
    told: Any = details.get("lost")
    on: Any = details.get("goes_on_at")
    ok = isinstance(told, dict) and set(told) == {"seq", "sha256", "from"} and type(on) is int
    ok = ok and type(told["seq"]) is int and said.seq <= told["seq"] < on <= 99_999_999
    if not ok or not text(told["sha256"], "[0-9a-f]{12,64}") or not text(told["from"], "[ -~]{1,200}"):
        raise Bad("loss", "what it says of the entries that were lost is malformed")
    change = said.change if isinstance(said.change, dict) else {}
    return Loss(said.seq, told["seq"], told["sha256"], told["from"], on, str(change.get("why", "")))


def in_turn(said: Said[Any], digest: str, walk: Walk) -> dict[str, str]:
    """May the entry stand here? Notes in `walk` what it establishes. `digest` is "" for no package.

    Gives the digest of each component that its package consists of.
    """
    kind, settles = said.kind, said.settles
    if kind not in _SETTLING:
        if settles is not None and settles is not UNSET:
            raise Bad("lock", f"a {kind} cannot settle anything")
        if isinstance(said.details, dict) and said.details.get("receipts"):
            raise Bad("effect", f"a {kind} tells of an effect, which needs a start before it")
        if kind == "start":
            if walk.open:
                raise Bad("lock", f"it starts while start {walk.open.seq} is open")
            for verdict in said.verdicts if isinstance(said.verdicts, list) else ():
                if isinstance(verdict, dict) and verdict.get("outcome") == "refuse":
                    raise Bad("refused", "it starts what one of its guards refused")
            walk.open = Start(said.seq, digest, said.stage, said.action, str(clock_of(said)))
    else:
        began = walk.open
        if began is None or type(settles) is not int or settles != began.seq:
            raise Bad("lock", f"its {kind} does not settle the open start")
        if kind != "abandon" and (said.stage, said.action) != (began.stage, began.action):
            raise Bad("stage", f"its {kind} is of another action than start {began.seq}")
        if kind != "abandon" and began.digest and digest != began.digest:
            raise Bad("package", f"its {kind} is about another package than start {began.seq}")
        walk.open = None
    _one_package(said, digest, walk)
    if kind == "start":
        for proof in proofs(said):
            ok = isinstance(proof, dict) and set(proof) == {"action", "environment", "seq", "sha256"}
            ok = ok and text(proof["environment"], _PLACE) and text(proof["action"], _WORDS)
            ok = ok and text(proof["sha256"], SHA) and type(proof["seq"]) is int
            if not ok or not 1 <= proof["seq"] <= 99_999_999:
                raise Bad("proof", "the proofs that it names are malformed")
    return _apart(said) if digest else {}


def together(apart: dict[str, str], digest: str) -> None:
    """The components of a release of several: their digests, listed by name as sha256sum does, are its own."""
    listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(apart.items()))
    if hashlib.sha256(listed.encode()).hexdigest() != digest:
        raise Bad("package", "its components are not together its package")


def _apart(said: Said[Any]) -> dict[str, str]:
    """The digest of each component that an entry names."""
    to, details = said.to, said.details
    found: Any = to.get("components") if isinstance(to, dict) else None
    if (found is None or found is False) and isinstance(details, dict):
        found = details.get("components")
    if found is None or found is False:
        return {}
    if not isinstance(found, list) or _objects(found) != found:
        raise Bad("package", "the components that it names are malformed")
    apart = {one.get("name"): one.get("digest") for one in found if text(one.get("name"), _COMPONENT)}
    if len(apart) != len(found) or not all(text(sha256, SHA) for sha256 in apart.values()):
        raise Bad("package", "the components that it names are malformed")
    return {str(name): str(sha256) for name, sha256 in apart.items()}


def clock_of(said: Said[Any]) -> Any:
    """What an entry says of its writer's clock, which is its time unless it says otherwise. Nothing is judged."""
    return said.details.get("clock", said.at) if isinstance(said.details, dict) else said.at


def proofs(said: Said[Any]) -> list[Any]:
    """The entries of other logs that a start names as what opened the way."""
    found = said.details.get("proofs") if isinstance(said.details, dict) else None
    return found if isinstance(found, list) else []


def proves(said: Said[Any], needs: list[str]) -> bool:
    """Does a start name a proof of every action in `needs`?"""
    return set(needs) <= {str(proof.get("action")) for proof in _objects(proofs(said))}


def as_built(name: str, digest: str, since: str, folder: Path, walk: Walk) -> None:
    """What a deploy calls the package of a commit is what was built of it, as that package's own log says.

    Only a build that was recorded before the deploy began counts: without one a deploy builds by itself. `folder`
    is the log of the deploy.
    """
    built = _build_of(folder, name)
    if built:
        walk.beside |= {(f"package-{commit_of(name)}", seq) for seq in range(1, built[2] + 1)}
    if built and built[0] != digest and built[1] <= since:
        raise Bad("package", "it deploys another package than the one that was built of its commit")


def commit_of(name: str) -> str:
    """The commit of the package that an entry is about, by the name of its subject; "" where it is about none."""
    found = _PACKAGE(name)
    return found[1] if found else ""


@functools.lru_cache(1000)
def _build_of(folder: Path, name: str) -> tuple[str, str, int] | None:
    """The digest of the build that the log of this package tells of, its time and its number; None for no build.

    Nothing of that log is judged: its own audit does that.
    """
    commit = commit_of(name)
    if not commit:
        return None
    target, place = folder.parent, f"package-{commit}"
    try:
        for seq in itertools.count(1):
            found = unverified(bytes_of(f"{target}/{place}/{seq:08d}.json"))
            said = found.said
            is_now = said.kind, said.action, said.environment, said.target
            if is_now == ("end", "build", place, target.name) and not (target / place).is_symlink():
                return found.digest, str(clock_of(said)), seq
    except (Bad, OSError):
        pass
    return None


def forget_builds() -> None:
    """An audit sees the logs as they are now, not as one before it did."""
    _build_of.cache_clear()


def unverified(data: bytes) -> Entry:
    """What an entry of another log says, whoever signed it. Raises Bad."""
    try:
        return understood(base64.b64decode(json.loads(data)["payload"]))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Bad("form", "it is no entry") from error


def _one_package(said: Said[Any], digest: str, walk: Walk) -> None:
    kind, action = said.kind, said.action
    if said.environment.startswith("package-") and of_a_package(said.environment):
        if kind in ("start", "end") and digest:
            _want(walk, digest, "package", "it is about another package than the entries before it")
            walk.package = digest
        if action in _BEFORE:
            _next_stage(kind, action, digest, walk)
    elif kind == "end" and action in _CHANGING:
        walk.package = digest
    elif kind == "end" and action in _ON_WHAT_RUNS:
        _want(
            walk, digest, "stage", f"the package of its {action} is not the one that was deployed here last"
        )


def _next_stage(kind: str, action: str, digest: str, walk: Walk) -> None:
    """A start may stand before its turn: whoever lost a race finds that out after it, and gives up."""
    if kind == "failed":
        walk.stages -= _TAKES_BACK.get(action, set())
    elif kind == "end":
        if not digest and action != "intake":
            raise Bad("package", f"its {action} names no package")
        for needed in _BEFORE[action]:
            if needed not in walk.stages:
                raise Bad("stage", f"its {action} ended before any {needed} had ended well")
        walk.stages |= {action}


def _want(walk: Walk, digest: str, code: str, why: str) -> None:
    known = walk.package if walk.package is not None else walk.wants
    if known is None:
        walk.wants = digest
    elif known != digest and (code == "stage" or known):
        raise Bad(code, why)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
