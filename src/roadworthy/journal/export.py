"""One release, as other people's verifiers read it: in-toto links, a strict layout, published predicates.

`in-toto-verify` (3.x) judges the layout without any code of ours. Each succeeded stage is one link, and

- an artifact `run/<digest of the release's last word>` is required of every link, so a link of another run
  does not fit, not even one with the same key about the same package;
- an artifact `entry/…` is a product of its link and a material of the next, so no link can be left out,
  swapped or repeated; whatever else a link names is disallowed;
- what was deployed is the same from the first link to the files themselves, which an inspection compares: a
  source package's archive or an image's manifest, one for each component.

Links and layout are signed by whoever exports, and say that the journal held these entries: the entries' own
signatures are judged by `audit.sh`. DSSE envelopes throughout, so what is signed is exactly the bytes.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from ..compatibility import release_number
from ..errors import UsageError
from ..model import digest_of
from . import predicates
from .entry import PAYLOAD_TYPE, Entry, pae
from .sign import Signer

RUNS: Final = ("deploy", "rollback", "adopt")
DAYS: Final = 90  # that a layout is good for
COMPONENT: Final = r"[a-z][a-z0-9]{0,30}"
LAYOUT: Final = "root.layout"
KEY: Final = "layout-key.pem"


class Step(msgspec.Struct, frozen=True):
    """One succeeded stage: its name in the layout, its `end`, and the `start` that it settles."""

    name: str
    start: Entry
    end: Entry


class Product(msgspec.Struct, frozen=True):
    """What one component runs (`component` is "" of a project that has one), as a file of the export.

    A source package's file has the bytes that were deployed. An image's has those of its manifest, for their
    sha256 is the image's digest; `ref` is where it was released from, "" where the journal does not say.
    """

    component: str
    digest: str
    kind: str
    ref: str = ""

    @property
    def file(self) -> str:
        """Its name in the export, and in every link."""
        name, ending = ("image", "json") if self.kind == "image" else ("package", "tgz")
        return f"{name}-{self.component}.{ending}" if self.component else f"{name}.{ending}"


class Release(msgspec.Struct, frozen=True):
    """A release and everything that led to it and came of it, in order. `run` names it like no other."""

    name: str
    commit: str
    digest: str
    run: str
    products: tuple[Product, ...]
    steps: tuple[Step, ...]


def gather(
    read: Callable[[str], Sequence[Entry]], environment: str, said: str, *, certified_in: str = ""
) -> Release:
    """The release that `said` names (its name, or a journal number), from verified entries of the logs.

    `certified_in` is the environment whose certificate opened this one. Raises UsageError.
    """
    entries = read(environment)
    end = _chosen(entries, environment, said)
    began = entries[end.record.details["settles"] - 1]
    digest, commit = end.record.digest, end.record.subject.rpartition(":")[2]
    steps = _last_of_each("package", read(f"package-{commit}"), digest, began.at)
    if certified_in:
        steps += _last_of_each(certified_in, read(certified_in), digest, began.at)
    steps.append(Step(f"{environment}.{end.record.action}", began, end))
    for entry in entries[end.seq :]:
        if entry.record.kind != "end" or entry.record.digest != digest:
            continue
        if entry.record.action in RUNS:
            break
        steps.append(_step(environment, entries, entry))
    named = tuple(Step(f"{n:02d}.{step.name}", step.start, step.end) for n, step in enumerate(steps, 1))
    return Release(f"{environment}#{end.seq}", commit, digest, named[-1].end.sha256, _products(end), named)


def write(
    release: Release, folder: Path, signer: Signer, *, files: Mapping[str, Path | bytes], now: datetime
) -> None:
    """Make `folder` with links, layout, predicates, products and key. Raises UsageError; never half of it.

    `files` are the products by their names in the export.
    """
    if folder.exists():
        raise UsageError(f"{folder} is there already: name a new folder")
    part = folder.with_name(f".{folder.name}.{os.urandom(8).hex()}.part")
    try:
        part.mkdir(parents=True)
        for product in release.products:
            _copy(files[product.file], part / product.file, product, release)
        key = _in_toto_key(signer)
        for index, step in enumerate(release.steps):
            link = _link(release, index)
            _put(part / f"{step.name}.{key['keyid'][:8]}.link", link, key["keyid"], signer)
        _put(part / LAYOUT, _layout(release, key, now), key["keyid"], signer)
        for name, statement in _statements(release):
            _put(part / f"{name}.dsse.json", statement, signer.keyid, signer)
        (part / KEY).write_text(_pem(signer))
        (part / "README.txt").write_text(_readme(release, signer))
        part.rename(folder)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _chosen(entries: Sequence[Entry], environment: str, said: str) -> Entry:
    ends = [e for e in entries if e.record.kind == "end" and e.record.action in RUNS and e.record.digest]
    if asked := release_number(said):
        found = [e for e in ends if (e.record.details.get("to") or {}).get("release") == asked]
    else:
        number = int(said) if re.fullmatch(r"[1-9][0-9]{0,7}", said) else 0
        found = [e for e in ends if number in (e.seq, e.record.details["settles"])]
    if not found:
        known = ", ".join(str(e.seq) for e in ends[-5:]) or "none yet"
        raise UsageError(f"no release {said[:40]!r} of {environment} succeeded; the last that did: {known}")
    return found[-1]


def _last_of_each(name: str, entries: Sequence[Entry], digest: str, until: str) -> list[Step]:
    """For each action the last success with this package before `until`, in the order of the log."""
    newest: dict[str, Entry] = {}
    for entry in entries:
        said = entry.record
        if said.kind == "end" and said.digest == digest and entry.at <= until:
            newest[said.action] = entry
    return [_step(name, entries, entry) for entry in sorted(newest.values(), key=lambda e: e.seq)]


def _products(end: Entry) -> tuple[Product, ...]:
    """What the end of a release says that its components run. Raises UsageError unless that is its package."""
    said, to = end.record, end.record.details.get("to") or {}
    kind = said.subject.partition(":")[0]
    told = to.get("components")
    if not told:
        return (_product("", said.digest, kind, to),)
    products = tuple(_product(str(one["name"]), str(one["digest"]), kind, one) for one in told)
    apart = {product.component: product.digest for product in products}
    named = all(re.fullmatch(COMPONENT, name) for name in apart)  # they become names of files
    if not named or len(apart) != len(products) or digest_of(apart) != said.digest:
        raise UsageError(
            f"journal #{end.seq}: its components are not together its package {said.digest[:12]}"
        )
    return products


def _product(component: str, digest: str, kind: str, told: Mapping[str, Any]) -> Product:
    ref = str(told.get("ref", ""))
    return Product(component, digest, "image" if ref else kind, ref)


def _step(name: str, entries: Sequence[Entry], end: Entry) -> Step:
    action = end.record.action.replace(" ", "-")
    return Step(f"{name}.{action}", entries[end.record.details["settles"] - 1], end)


def _entry_name(step: Step) -> str:
    said = step.end.record
    return f"entry/{said.target}/{said.environment}/{step.end.seq}"


def _link(release: Release, index: int) -> dict[str, Any]:
    step = release.steps[index]
    same = {product.file: {"sha256": product.digest} for product in release.products}
    both = {f"run/{release.run}": {"sha256": release.run}, **same}
    before = {_entry_name(s): {"sha256": s.end.sha256} for s in release.steps[max(0, index - 1) : index]}
    files = {f"evidence/{item.sha256}": {"sha256": item.sha256} for item in step.end.record.evidence}
    return {
        "_type": "link",
        "name": step.name,
        "command": [],
        "materials": {**both, **before},
        "products": {**both, _entry_name(step): {"sha256": step.end.sha256}, **files},
        "byproducts": {
            "signed-by": step.end.keyid,
            "at": step.end.at,
            "evidence": {item.name: item.sha256 for item in step.end.record.evidence},
        },
        "environment": {},
    }


def _layout(release: Release, key: dict[str, Any], now: datetime) -> dict[str, Any]:
    last = release.steps[-1].name
    rules: list[list[str]] = []
    for name in (product.file for product in release.products):
        rules += [["REQUIRE", name], ["MATCH", name, "WITH", "PRODUCTS", "FROM", last], ["DISALLOW", name]]
    every = [*rules, ["ALLOW", "*"]]
    package = {"_type": "inspection", "name": "package", "run": ["true"]}
    return {
        "_type": "layout",
        "readme": f"{release.name}: commit {release.commit}, package sha256 {release.digest}",
        "expires": (now.astimezone(UTC) + timedelta(days=DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keys": {key["keyid"]: key},
        "steps": [_layout_step(release, index, key["keyid"]) for index in range(len(release.steps))],
        "inspect": [{**package, "expected_materials": every, "expected_products": every}],
    }


def _layout_step(release: Release, index: int, keyid: str) -> dict[str, Any]:
    link, step = _link(release, index), release.steps[index]
    # REQUIRE comes first: what MATCH has consumed cannot be required any more.
    materials = [["REQUIRE", name] for name in link["materials"]]
    for name in link["materials"]:
        source = ["MATCH", name, "WITH", "PRODUCTS", "FROM", release.steps[index - 1].name]
        materials.append(source if index else ["ALLOW", name])
    products = [[rule, name] for rule in ("REQUIRE", "ALLOW") for name in link["products"]]
    return {
        "_type": "step",
        "name": step.name,
        "threshold": 1,
        "pubkeys": [keyid],
        "expected_command": [],
        "expected_materials": [*materials, ["DISALLOW", "*"]],
        "expected_products": [*products, ["DISALLOW", "*"]],
    }


def _statements(release: Release) -> list[tuple[str, dict[str, Any]]]:
    """The published predicates that the release's entries support.

    The package of several components is a list and no file, so each component's file is a subject, too.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    origin = next((s for s in release.steps if s.end.record.action == "build"), release.steps[0])
    found.append(("provenance", predicates.provenance(origin.start, origin.end)))
    for step in release.steps:
        if step.end.record.action == "test":
            command = str(step.end.record.details.get("command", "test"))
            result = predicates.test_result((step.start, step.end), command, passed=True)
            found.append((f"{step.name}.test-result", result))
        if step.end.record.action == "certify":
            at = f"{step.end.at[:19]}Z"
            summary = predicates.verification_summary((step.start, step.end), at, passed=True)
            found.append((f"{step.name}.summary", summary))
    if len(release.products) > 1:
        files = [{"name": p.file, "digest": {"sha256": p.digest}} for p in release.products]
        return [(name, {**said, "subject": [*said["subject"], *files]}) for name, said in found]
    return found


def _in_toto_key(signer: Signer) -> dict[str, Any]:
    """The public key as in-toto writes it; its id there is a digest of this JSON."""
    raw = base64.b64decode(signer.public.split()[1])[-32:]
    said = {"keytype": "ed25519", "keyval": {"public": raw.hex()}, "scheme": "ed25519"}
    return {"keyid": hashlib.sha256(_json(said)).hexdigest(), **said}


def _pem(signer: Signer) -> str:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_ssh_public_key(signer.public.encode())
    return key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo).decode()


def _put(path: Path, signed: dict[str, Any], keyid: str, signer: Signer) -> None:
    payload = _json(signed)
    signature = {"keyid": keyid, "sig": base64.b64encode(signer.sign(pae(payload))).decode()}
    envelope = {"payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE}
    path.write_bytes(_json({**envelope, "signatures": [signature]}))


def _copy(source: Path | bytes, to: Path, product: Product, release: Release) -> None:
    what = source.name if isinstance(source, Path) else product.file
    digest = hashlib.sha256()
    try:
        opened = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
        with opened as read, to.open("wb") as copy:
            while block := read.read(1 << 20):
                digest.update(block)
                copy.write(block)
    except FileNotFoundError as error:
        raise UsageError(f"{what} is not here: `invoke build --commit {release.commit}`") from error
    if digest.hexdigest() != product.digest:
        raise UsageError(f"{what} is not the package {product.digest[:12]} that was released")


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _readme(release: Release, signer: Signer) -> str:
    listed = "".join(f"{product.digest}  {product.file}\n" for product in release.products)
    return (
        f"{release.name}: commit {release.commit}\npackage sha256 {release.digest}\n\n{listed}\n"
        f"Check with in-toto 3.x, in this folder:\n\n"
        f"    in-toto-verify --layout {LAYOUT} --verification-keys {KEY}\n\n"
        f"{KEY} is the key {signer.keyid}. Take it from whom you trust, not from this folder:\n"
        "whoever could replace the folder could replace the key. in-toto-verify reads the layout, the links and\n"
        "the files listed above. It does not read *.dsse.json, in-toto statements that the same key signed and\n"
        "that npm's @sigstore/verify judges, or this text, which nobody signed.\n"
    )
