"""A bucket whose listing lags behind what was put, and a put that is refused though it landed."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from journal.making import log_of, record

from roadworthy.commands import audit
from roadworthy.config import Journal
from roadworthy.context import Context
from roadworthy.errors import UsageError
from roadworthy.journal.objects import open_bucket
from roadworthy.report.terminal import Screen

from .conftest import CREDENTIALS
from .proxy import Proxy, the_next
from .servers import Provider

pytestmark = pytest.mark.stores
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def far(provider: Provider, prefix: str, between: Proxy) -> Journal:
    """The journal behind the proxy; `journal` is the same one, seen directly."""
    return provider.journal(prefix, between.endpoint)


def test_a_put_that_was_refused_and_landed_is_found_by_a_look(
    far: Journal, journal: Journal, between: Proxy, tmp_path: Path
) -> None:
    log = log_of(tmp_path, store=open_bucket(far))
    between.refuse = the_next(1, "PUT")
    start = log.append(record("start"))
    assert between.writes() == 1
    assert log_of(tmp_path, store=open_bucket(journal)).open_start() == start
    between.refuse = lambda method: method in ("PUT", "GET")
    with pytest.raises(UsageError, match=r"00000002\.json: .* do not allow it \(403"):
        log.append(record("end", settles=1))


@pytest.fixture
def context(far: Journal, tmp_path: Path) -> Context:
    """A project whose journals lie behind the proxy."""
    root = tmp_path / "project"
    root.mkdir()
    table = f'[journal]\nstore = "{far.store}"\nendpoint = "{far.endpoint}"\nsandbox = true\n'
    (root / "release.toml").write_text(f"{(REPOSITORY / 'release.toml').read_text()}\n{table}")
    return Context(root, Screen(json=True, stream=io.StringIO()), CREDENTIALS)


@pytest.mark.parametrize(
    "unseen",
    [
        ("prod/00000003.json",),
        ("prod/00000002.json", "prod/00000003.json"),
        ("prod/00000001.json",),
        ("prod", "prod/00000001.json", "prod/00000002.json", "prod/00000003.json"),
    ],
)
def test_a_listing_that_lags_is_no_reason_to_distrust_a_journal(
    context: Context, between: Proxy, unseen: tuple[str, ...]
) -> None:
    for number in range(3):
        context.log("prod").append(record("note"), attach={"n": str(number).encode()})
    between.lags_behind = (*unseen, "evidence")
    assert (head := context.log("prod").head()) and head.seq == 3
    audited = audit.audit(context)
    assert (audited.code, audited.reasons) == (0, ()), audited
    assert audited.line.startswith("1 journal of sandbox is intact")
    between.lags_behind = ()
    assert len(context.store.names("sandbox/prod")) == 3
