"""The providers' servers, started once; and a place in each that no other test uses."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from road.fixtures import platform, project

from roadworthy.config import Journal

from . import gcs, proxy, servers

__all__ = ["platform", "project"]
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDCANARY",
    "AWS_SECRET_ACCESS_KEY": "canary-of-the-secret",
    "AZURE_STORAGE_ACCOUNT_KEY": servers.KEY,
    "GOOGLE_BEARER_TOKEN": gcs.TOKEN,
}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
            patch.delenv(name)
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Provider]:
    with servers.s3(tmp_path_factory.mktemp("s3")) as provider:
        yield provider


@pytest.fixture(scope="session")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Provider]:
    with servers.azure(tmp_path_factory.mktemp("az")) as provider:
        yield provider


@pytest.fixture(scope="session")
def gs() -> Iterator[servers.Provider]:
    with gcs.Server() as server:
        yield servers.Provider("gs", server.endpoint)
        server.shutdown()


@pytest.fixture(params=["s3", "az", "gs"])
def provider(request: pytest.FixtureRequest) -> servers.Provider:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, servers.Provider)
    return found


@pytest.fixture
def prefix() -> str:
    return f"test-{next(_numbers)}"


@pytest.fixture
def journal(provider: servers.Provider, prefix: str) -> Journal:
    return provider.journal(prefix)


@pytest.fixture
def between(provider: servers.Provider) -> Iterator[proxy.Proxy]:
    """A proxy in front of the provider's server."""
    with proxy.Proxy(provider.endpoint) as made:
        yield made
        made.shutdown()
