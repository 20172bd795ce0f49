"""What an adoption and a certification do of themselves, around the road that all actions take."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.actions import adopt
from roadworthy.commands import certify
from roadworthy.model import Confirmation, Outcome, Plan, Request, Result

CONTEXT: Any = SimpleNamespace(shown=lambda path: f"{path}, shown")


def plan(package: Any = None) -> Plan:
    return Plan(Request("adopt", "prod"), "capecraft", (), package, {}, {"release": 7, "digest": "d" * 64})


@pytest.mark.parametrize(
    ("outcome", "seq", "written"),
    [
        (Outcome.SUCCEEDED, 9, True),
        (Outcome.SUCCEEDED, 0, False),
        (Outcome.FAILED, 9, False),
        (Outcome.REFUSED, 9, False),
    ],
)
def test_only_a_certification_that_succeeded_leaves_its_certificate(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, seq: int, written: bool
):
    result = Result(outcome, "certified", seq=seq, details={"expires": "tomorrow"})
    monkeypatch.setattr("roadworthy.execution.run.run", lambda *_, **__: result)
    monkeypatch.setattr(certify, "write", lambda *_: "the certificate")
    found = certify.certify(CONTEXT, Request("certify", "prod"), False)
    assert found.line == ("certified: the certificate, shown, until tomorrow" if written else "certified")


def test_what_is_adopted_is_asked_once_it_has_started(monkeypatch: pytest.MonkeyPatch):
    did: list[str] = []
    monkeypatch.setattr(
        adopt, "wait_for_start", lambda _, environment, package: did.append(f"waited for {package}")
    )
    monkeypatch.setattr(adopt, "releases", lambda *_: None)
    monkeypatch.setattr(
        adopt, "look", lambda *_: did.append("looked") or Confirmation(("health: 500",), {"a": 1})
    )
    monkeypatch.setattr(adopt, "revision_of", lambda _, app: f"0003 of {app}")
    found = adopt.confirm(CONTEXT, plan("the package"), ())
    assert did == ["waited for the package", "looked"]
    assert found == Confirmation(("health: 500",), {"a": 1, "revision": "0003 of capecraft"})


@pytest.mark.parametrize(("version", "digest", "same"), [
    (7, "d" * 64, True), (8, "d" * 64, False), (7, "e" * 64, False), (0, "d" * 64, False),
])  # fmt: skip
def test_of_what_is_no_package_the_release_must_be_the_same(
    monkeypatch: pytest.MonkeyPatch, version: int, digest: str, same: bool
):
    current = SimpleNamespace(order=version, name=f"v{version}") if version else None
    monkeypatch.setattr(adopt, "observe", lambda *_: SimpleNamespace(current=current, digest=digest))
    shown = f"v{version}" if version else "no release"
    problem = f"the platform runs {shown} now: run invoke status"
    assert adopt.confirm(CONTEXT, plan(), ()).problems == (() if same else (problem,))
