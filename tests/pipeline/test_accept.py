"""A package that cannot be laid out is not examined any further, and that is a NO."""

from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from roadworthy.decision import decide
from roadworthy.errors import UsageError
from roadworthy.pipeline import accept as module
from roadworthy.trial import package as trial
from roadworthy.trial import starting
from roadworthy.trial.place import WELL, Ran


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


@pytest.mark.parametrize("well", [True, False])
def test_a_check_of_the_project_gets_the_addresses_and_only_the_named_credentials(well: bool):
    told: dict[str, str] = {}

    def run_beside(command: str, environ: dict[str, str]) -> Any:
        told.update(environ)
        return Ran(WELL if well else "ended with 1", b"asked with s3cret of nothing")

    place = SimpleNamespace(run_beside=run_beside)
    environ = {"TOKEN": "s3cret", "EMPTY": "", "OTHER": "kept away"}
    named = SimpleNamespace(credentials=("TOKEN", "EMPTY", "MISSING"))
    context = SimpleNamespace(config=SimpleNamespace(acceptance=named), environ=environ)
    found, urls = module.Findings(), {"web": "http://127.0.0.1:1", "api": "http://127.0.0.1:2"}
    said = module._own_check(context, place, "./ask", urls, "identity", found)  # type: ignore[arg-type]
    assert said == ([] if well else ["'./ask' ended with 1\n  asked with *** of nothing"])
    assert found.files == {"identity.txt": b"asked with *** of nothing"}
    assert (told["BASE_URL"], told["TOKEN"], told["EMPTY"]) == ("http://127.0.0.1:1", "s3cret", "")
    assert told.keys().isdisjoint({"OTHER", "MISSING"})
    assert set(starting.told(urls).items()) <= set(told.items())
