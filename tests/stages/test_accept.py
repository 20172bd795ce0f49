"""A package that cannot be laid out is not examined any further, and that is a NO."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.errors import UsageError
from roadworthy.stages import accept as module
from roadworthy.stages import decide, trial


def test_a_package_that_cannot_be_laid_out_is_a_no(monkeypatch: pytest.MonkeyPatch):
    @contextmanager
    def refuses(*_: Any) -> Any:
        raise UsageError("Procfile:2: two lines are called web")
        yield

    monkeypatch.setattr(trial, "unpacked", refuses)
    found = module._examine(SimpleNamespace(), SimpleNamespace(), ())  # type: ignore[arg-type]
    assert found.results[decide.LOAD] == "failure"
    assert found.problems == [f"{decide.LOAD}: Procfile:2: two lines are called web"]
    assert set(found.results.values()) == {"failure", decide.SKIPPED}
