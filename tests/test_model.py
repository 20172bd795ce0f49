"""What holds of the values: they never change, and those with secrets show none, whoever prints them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.pretty import pretty_repr

from roadworthy import model
from roadworthy.checks.http import Answer
from roadworthy.commands.session import answer
from roadworthy.errors import UsageError
from roadworthy.journal.sign import Signer, own_key
from roadworthy.model import (
    CiState,
    Fact,
    Observed,
    Outcome,
    Package,
    Plan,
    PlatformRelease,
    Process,
    ReleasePackage,
    Request,
    Result,
    SetConfig,
    StageRun,
    Usual,
    Watch,
)
from roadworthy.packages.credentials import Login
from roadworthy.sandbox.control import Address

SECRET = "canary-5b1e"
CHANGES = {"API_KEY": SECRET}
ASKED = Request("config", "prod", why="rotated", config=CHANGES)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (ASKED, "why='rotated'"),
        (SetConfig(CHANGES, app="capecraft"), "app='capecraft'"),
        (Plan(ASKED, "capecraft", (SetConfig(CHANGES),), None, {}, {}), "why='rotated'"),
        (Result(Outcome.FAILED, "no", Plan(ASKED, "capecraft", (), None, {}, {})), "why='rotated'"),
        (Login("canary-5b1e-user", SECRET), "Login("),
        (Address("http://127.0.0.1:5000", SECRET, 7), "url='http://127.0.0.1:5000'"),
        (Answer(200, {}, frozenset(), SECRET.encode(), 0.1), "status_code=200"),
    ],
)
def test_a_value_that_holds_a_secret_shows_the_rest_of_it(value: object, shown: str):
    for text in (repr(value), str(value), f"{[value]}", pretty_repr(value)):
        assert SECRET not in text
        assert shown in text


def test_a_signer_shows_no_private_key(tmp_path: Path):
    signer = own_key(tmp_path, "a")
    for text in (repr(signer), pretty_repr(signer)):
        assert "Ed25519PrivateKey" not in text
        assert signer.keyid in text
    assert "_key" not in repr(Signer("id", "public", Ed25519PrivateKey.generate))


def test_no_value_of_the_road_can_be_changed():
    values = [kind for kind in vars(model).values() if isinstance(kind, msgspec.StructMeta)]
    assert len(values) > 30
    assert [kind.__name__ for kind in values if not kind.__struct_config__.frozen] == []


def test_what_a_guard_read_makes_no_other_fact():
    assert Fact("ci", 1, reads=["ci"]) == Fact("ci", 1)
    assert Fact("ci", 1) != Fact("ci", 2)


def test_the_run_behind_a_test_result_makes_no_other_result():
    assert CiState("success", "GitHub", run=StageRun("c" * 40, 1)) == CiState("success", "GitHub")
    assert CiState("success", "GitHub") != CiState("failure", "GitHub")


def test_in_json_a_plan_is_plain_to_its_last_part():
    parts = tuple(
        Package("c" * 40, digit * 64, 1, component=name) for digit, name in (("1", "api"), ("2", "web"))
    )
    package = Package.together(parts)
    watch = Watch(1000, 5, 3, 50, {"health": Usual(10, 0, 7)})
    plan = Plan(Request("deploy", "prod"), "capecraft", (), package, {"at": datetime(2026, 1, 1, tzinfo=UTC)}, {},
                watch=watch)  # fmt: skip
    said = answer(Result(Outcome.SUCCEEDED, "done", plan), None)["plan"]
    assert said["watch"] == {
        "millis": 1000,
        "errors": 5,
        "slower": 3,
        "noise": 50,
        "before": {"health": {"asked": 10, "failed": 0, "millis": 7}},
    }
    assert [part["component"] for part in said["package"]["parts"]] == ["api", "web"]
    assert list(said["package"]) == [*Package.__struct_fields__]
    assert said["package"]["parts"][0]["parts"] == []


def test_what_could_not_be_read_once_is_no_end_of_the_journal() -> None:
    def found() -> Iterator[int]:
        yield from (3, 2)
        raise UsageError("the disk is gone")

    newest = model.Newest(found())
    assert next(iter(newest)) == 3
    for _ in range(2):
        with pytest.raises(UsageError, match="the disk is gone"):
            len(newest)
        with pytest.raises(UsageError, match="the disk is gone"):
            assert 1 not in newest
    assert newest[:2] == (3, 2)


def test_guards_of_before_still_read_the_old_names():
    release = PlatformRelease(12, "succeeded", True, "an-artifact", "", "", datetime(2030, 1, 1, tzinfo=UTC))
    assert (release.slug, release.version) == ("an-artifact", 12)
    assert Observed("", False, (), (Process("web.1", "web", "up", 12),)).dynos[0].name == "web.1"
    assert ReleasePackage(Package("c" * 40, "d" * 64, 1), "an-artifact").slug == "an-artifact"
    for nothing in ("dynos", "sulg"):
        with pytest.raises(AttributeError, match=nothing):
            getattr(release, nothing)
