"""The servers that stand for the providers, each a process of its own, ended by its id."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import requests

from roadworthy.config import Journal

ACCOUNT = "devstoreaccount1"
# Azurite's published key; it opens nothing but Azurite.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
BUCKET = "journals"


@dataclass(frozen=True)
class Provider:
    """`scheme` as in release.toml, and the address of the server, with Azure's account as its path."""

    scheme: str
    endpoint: str

    def journal(self, prefix: str, endpoint: str = "") -> Journal:
        """The `[journal]` of a release.toml that keeps it there."""
        store = f"{self.scheme}://{BUCKET}/{prefix}"
        return Journal(store=store, endpoint=endpoint or self.endpoint, sandbox=True)


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[Provider]:
    """The moto server, with one bucket."""
    port = free_port()
    words = [os.environ["MOTO_SERVER"], "-H", "127.0.0.1", "-p", str(port)]
    with process(words, folder / "moto.log", port):
        endpoint = f"http://127.0.0.1:{port}"
        requests.put(f"{endpoint}/{BUCKET}", timeout=20).raise_for_status()
        yield Provider("s3", endpoint)


@contextlib.contextmanager
def azure(folder: Path) -> Iterator[Provider]:
    """Azurite's blob service, with one container."""
    port = free_port()
    words = [os.environ["AZURITE_BLOB"], "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    words += [
        "--location",
        str(folder / "azurite"),
        "--skipApiVersionCheck",
        "--disableTelemetry",
        "--silent",
    ]
    with process(words, folder / "azurite.log", port):
        endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        make_container(endpoint)
        yield Provider("az", endpoint)


def make_container(endpoint: str) -> None:
    """Create Container, signed as Azure's documentation of Shared Key says."""
    date = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    about = f"x-ms-date:{date}\nx-ms-version:2023-11-03\n/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    text = "PUT" + "\n" * 12 + about
    signature = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
    headers = {
        "x-ms-date": date,
        "x-ms-version": "2023-11-03",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
    }
    url = f"{endpoint}/{BUCKET}?restype=container"
    requests.put(url, headers=headers, timeout=20).raise_for_status()


@contextlib.contextmanager
def process(words: list[str], log: Path, port: int) -> Iterator[None]:
    """A server that listens; it is ended afterwards, and said what it said when it does not come up."""
    with log.open("wb") as said, subprocess.Popen(words, stdout=said, stderr=said, process_group=0) as server:
        try:
            deadline = time.monotonic() + 30
            while not listens(port):
                assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
