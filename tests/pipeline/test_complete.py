"""The Definition of Done: what does not hold, and what cannot be asked, is named."""

from types import SimpleNamespace

import pytest

from roadworthy.errors import CheckFailed
from roadworthy.pipeline import complete as module


def test_what_does_not_hold_or_cannot_be_told_is_named(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> str:
        raise CheckFailed("the database does not answer")

    criteria = {"good": lambda *_: "", "bad": lambda *_: "it runs v3", "broken": broken, "unasked": broken}
    monkeypatch.setattr(module, "CRITERIA", criteria)
    done = SimpleNamespace(criteria=("good", "bad", "broken"))
    context = SimpleNamespace(config=SimpleNamespace(done=done))
    found = module._unmet(context, SimpleNamespace())  # type: ignore[arg-type]
    assert found == {"bad": "it runs v3", "broken": "it cannot be told: the database does not answer"}
