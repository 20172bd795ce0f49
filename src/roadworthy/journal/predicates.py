"""What journal entries say, in predicates that others have published: SLSA provenance v1, test-result, SLSA VSA.

Pure. Each is derived from entries alone and claims no more than they do: the levels of the summary are this
project's own, since no level of SLSA was assessed.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

from roadworthy import __version__
from roadworthy.journal.entry import STATEMENT_TYPE, Entry

PROVENANCE: Final = "https://slsa.dev/provenance/v1"
TEST_RESULT: Final = "https://in-toto.io/attestation/test-result/v0.1"
SUMMARY: Final = "https://slsa.dev/verification_summary/v1"
_HOME: Final = "https://roadworthy.dev"


def provenance(begun: Entry, done: Entry) -> dict[str, Any]:
    """Where the package comes from, as the entries of its build (or of its first test) tell."""
    commit = done.record.subject.rpartition(":")[2]
    predicate = {
        "buildDefinition": {
            "buildType": f"{_HOME}/build/slug/v1",
            "externalParameters": {"commit": commit},
            "internalParameters": {},
            "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}}],
        },
        "runDetails": {
            "builder": {"id": f"{_HOME}/builder/journal", "version": {"roadworthy": __version__}},
            "metadata": {
                "invocationId": f"{_place(done)}#{done.seq}",
                "startedOn": _second(begun),
                "finishedOn": _second(done),
            },
            "byproducts": [_descriptor(begun), _descriptor(done)],
        },
    }
    return _statement(done, PROVENANCE, predicate)


def test_result(done: Entry) -> dict[str, Any]:
    """The outcome of the app's own tests, run on the package."""
    said = done.record
    command = str(said.details.get("command", said.action))
    passed = said.kind == "end"
    predicate = {
        "result": "PASSED" if passed else "FAILED",
        "configuration": [
            {"name": "commands.test", "content": base64.b64encode(command.encode()).decode()},
            _descriptor(done),
        ],
        "passedTests": [said.action] if passed else [],
        "warnedTests": [],
        "failedTests": [] if passed else [said.action],
    }
    return _statement(done, TEST_RESULT, predicate)


def verification_summary(begun: Entry, done: Entry) -> dict[str, Any]:
    """The certificate's verdict. Its policy is the guards that were asked, each with its file's digest."""
    asked = sorted(
        f"{verdict.get('guard')} {verdict.get('sha256')}\n"
        for verdict in begun.record.details.get("verdicts", ())
        if isinstance(verdict, dict)
    )
    passed = done.record.kind == "end"
    predicate = {
        "verifier": {"id": f"{_HOME}/certify", "version": {"roadworthy": __version__}},
        "timeVerified": _second(done),
        "resourceUri": done.record.subject,
        "policy": {
            "uri": f"{_HOME}/guards",
            "digest": {"sha256": hashlib.sha256("".join(asked).encode()).hexdigest()},
        },
        "inputAttestations": [_descriptor(begun), _descriptor(done)],
        "verificationResult": "PASSED" if passed else "FAILED",
        "verifiedLevels": ["CERTIFIED" if passed else "FAILED"],
        "slsaVersion": "1.0",
    }
    return _statement(done, SUMMARY, predicate)


def _statement(done: Entry, kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    subject = {"name": done.record.subject, "digest": {"sha256": done.record.digest}}
    return {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": kind, "predicate": predicate}


def _descriptor(entry: Entry) -> dict[str, Any]:
    return {"name": f"{_place(entry)}/{entry.seq:08d}.json", "digest": {"sha256": entry.sha256}}


def _place(entry: Entry) -> str:
    return f"{entry.record.target}/{entry.record.environment}"


def _second(entry: Entry) -> str:
    return f"{entry.at[:19]}Z"
