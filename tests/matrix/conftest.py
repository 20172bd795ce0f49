"""Where the journal of a site is kept: in its folder, or in a bucket of the moto server or of Azurite."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest
from stores import servers
from stores.conftest import CREDENTIALS

_numbers = itertools.count(1)
Journal = Callable[[], str]
Tell = Callable[[str], None]


@pytest.fixture
def tell(record_property: Callable[[str, object], None]) -> Tell:
    """Say something of a test that passed, at the end of the run: also from a worker that has no terminal."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "told" and report.when == "call":
                terminalreporter.write_line(str(value))


@pytest.fixture(scope="module")
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
            patch.delenv(name)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_ACCOUNT_KEY"):
            patch.setenv(name, CREDENTIALS[name])
        yield


@pytest.fixture(scope="module")
def folder() -> Journal:
    return lambda: ""


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory, _credentials: None) -> Iterator[Journal]:
    with servers.s3(tmp_path_factory.mktemp("s3")) as provider:
        yield lambda: _table(provider)


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory, _credentials: None) -> Iterator[Journal]:
    with servers.azure(tmp_path_factory.mktemp("az")) as provider:
        yield lambda: _table(provider)


def _table(provider: servers.Provider) -> str:
    """The `[journal]` of a release.toml, each time with a prefix that no other site uses."""
    journal = provider.journal(f"matrix-{next(_numbers)}")
    return f'\n[journal]\nstore = "{journal.store}"\nendpoint = "{journal.endpoint}"\nsandbox = true\n'
