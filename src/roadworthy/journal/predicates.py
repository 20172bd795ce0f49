"""What journal entries say, in predicates that others have published: SLSA provenance, test-result, SLSA VSA.

Pure. Each is derived from entries alone and claims no more than they do: the levels of the summary are this
project's own, since no level of SLSA was assessed. `seen` are the entries that a statement rests on: of what is
attached to an `end` or `failed` only its start, since that one is still to be written.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from .. import __version__
from .entry import STATEMENT_TYPE, Entry

if TYPE_CHECKING:
    from ..model import Package

PROVENANCE: Final = "https://slsa.dev/provenance/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
_HOME: Final = "https://roadworthy.dev"


def provenance_of(package: Package, path: str, began: str, finished: str) -> dict[str, Any]:
    """Where a package comes from, at its build: the folder `path` of one commit, and nothing else.

    `began` and `finished` are UTC. It is believed because a signed entry names its digest. Of an image that was
    found it says only that: nobody saw its build, so no builder of ours is named; the commit is its label's word.
    """
    repository = package.ref.partition("@")[0]
    predicate = {
        "buildDefinition": {
            "buildType": f"{_HOME}/build/{package.kind}/v1",
            "externalParameters": {"commit": package.commit, "path": path},
            "internalParameters": _found_in(repository) if package.found else {},
            "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": package.commit}}],
        },
        "runDetails": {
            "builder": _builder(found=package.found),
            "metadata": {"startedOn": f"{began[:19]}Z", "finishedOn": finished},
        },
    }
    subject = {"name": package.name, "digest": {"sha256": package.digest}}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [subject],
        "predicateType": PROVENANCE,
        "predicate": predicate,
    }


def provenance(begun: Entry, done: Entry) -> dict[str, Any]:
    """Where the package comes from, as the entries of its build (or of its first test) tell."""
    kind, _, commit = done.record.subject.partition(":")
    told = [done.record.details, *done.record.details.get("components", ())]
    strange = [str(one.get("ref", "")).partition("@")[0] for one in told if one.get("found")]
    predicate = {
        "buildDefinition": {
            "buildType": f"{_HOME}/build/{kind}/v1",
            "externalParameters": {"commit": commit},
            "internalParameters": _found_in(*strange) if strange else {},
            "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}}],
        },
        "runDetails": {
            "builder": _builder(found=bool(strange)),
            "metadata": {
                "invocationId": f"{_place(done)}#{done.seq}",
                "startedOn": _second(begun),
                "finishedOn": _second(done),
            },
            "byproducts": [_descriptor(begun), _descriptor(done)],
        },
    }
    return _statement(done, PROVENANCE, predicate)


def _builder(*, found: bool) -> dict[str, Any]:
    """Who built: this road, or for what was found, whoever could push there."""
    named = "unknown" if found else "journal"
    return {"id": f"{_HOME}/builder/{named}", "version": {"roadworthy": __version__}}


def _found_in(*repositories: str) -> dict[str, Any]:
    """How an image that nobody built on record came into a release."""
    where = ", ".join(repositories)
    return {"found": "under its tag", "repository": where, "mayBeFrom": f"whoever can push to {where}"}


def as_file(statement: Mapping[str, Any]) -> bytes:
    """A statement as it is attached: unsigned JSON, which the entry that names its digest signs for."""
    return json.dumps(statement, indent=2, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def test_result(seen: Sequence[Entry], command: str, *, passed: bool) -> dict[str, Any]:
    """The outcome of the app's own tests, run on the package."""
    action = seen[-1].record.action
    predicate = {
        "result": "PASSED" if passed else "FAILED",
        "configuration": [
            {"name": "commands.test", "content": base64.b64encode(command.encode()).decode()},
            *map(_descriptor, seen),
        ],
        "passedTests": [action] if passed else [],
        "warnedTests": [],
        "failedTests": [] if passed else [action],
    }
    return _statement(seen[-1], TEST_RESULT, predicate)


def verification_summary(seen: Sequence[Entry], at: str, *, passed: bool) -> dict[str, Any]:
    """The verdict of the UTC second `at`. Its policy is the guards that were asked, each with its file's digest."""
    asked = sorted(
        f"{verdict.get('guard')} {verdict.get('sha256')}\n"
        for verdict in seen[0].record.details.get("verdicts", ())
        if isinstance(verdict, dict)
    )
    predicate = {
        "verifier": {"id": f"{_HOME}/certify", "version": {"roadworthy": __version__}},
        "timeVerified": at,
        "resourceUri": seen[0].record.subject,
        "policy": {
            "uri": f"{_HOME}/guards",
            "digest": {"sha256": hashlib.sha256("".join(asked).encode()).hexdigest()},
        },
        "inputAttestations": [_descriptor(entry) for entry in seen],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": ["CERTIFIED" if passed else "FAILED"],
        "slsaVersion": "1.0",
    }
    return _statement(seen[0], SUMMARY, predicate)


def _statement(done: Entry, kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    subject = {"name": done.record.subject, "digest": {"sha256": done.record.digest}}
    return {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": kind, "predicate": predicate}


def _descriptor(entry: Entry) -> dict[str, Any]:
    return {"name": f"{_place(entry)}/{entry.seq:08d}.json", "digest": {"sha256": entry.sha256}}


def _place(entry: Entry) -> str:
    return f"{entry.record.target}/{entry.record.environment}"


def _second(entry: Entry) -> str:
    return f"{entry.at[:19]}Z"
