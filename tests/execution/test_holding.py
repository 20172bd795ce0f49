"""Who gives up what another began says why in one line."""

from types import SimpleNamespace

import pytest

from roadworthy.errors import UsageError
from roadworthy.execution.holding import unlock


@pytest.mark.parametrize("reason", ["", "  ", "\n", "the host\nburnt", "the host \x1b[31mburnt", "\0"])
def test_a_reason_that_is_no_line_gives_nothing_up(monkeypatch: pytest.MonkeyPatch, reason: str):
    log = SimpleNamespace(open_start=lambda: SimpleNamespace(seq=7))
    monkeypatch.setattr("roadworthy.lost.refuse_if_lost", lambda *_: None)
    context = SimpleNamespace(log=lambda _: log, changes=lambda _: pytest.fail("it was given up"))
    with pytest.raises(UsageError, match="--reason is missing"):
        unlock(context, "staging", 7, reason)  # type: ignore[arg-type]
