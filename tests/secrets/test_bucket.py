"""A journal in a real bucket whose replies are lost: the credential signs every request, and is nowhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from canaries import Search, canary
from road.fixtures import platform, project
from road.project import Project
from stores import proxy, servers
from watching import CommandLines

__all__ = ["platform", "project"]
pytestmark = pytest.mark.stores
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDCANARY",
    "AWS_SECRET_ACCESS_KEY": canary("aws"),
    "AWS_SESSION_TOKEN": canary("session"),
}


@pytest.fixture
def between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[proxy.Proxy]:
    """A proxy in front of the moto server, which lies in a folder that is not searched."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "s3").mkdir()
    with servers.s3(tmp_path / "s3") as provider, proxy.Proxy(provider.endpoint) as made:
        yield made
        made.shutdown()


def test_a_lost_reply_of_a_bucket_makes_nobody_say_its_credential(
    project: Project, between: proxy.Proxy, tmp_path: Path
) -> None:
    search = Search()
    table = f'[journal]\nstore = "s3://{servers.BUCKET}/j"\nendpoint = "{between.endpoint}"\nsandbox = true\n'
    config = project.root / "release.toml"
    config.write_text(f"{config.read_text()}\n{table}")
    project.commit("Keep the journal in a bucket")
    debugging = {**CREDENTIALS, "ROADWORTHY_DEBUG": "1", "RUST_LOG": "trace"}
    with CommandLines(tmp_path) as seen:
        tested = project.process("test", "--json", env=debugging)
        written = between.writes()
        between.lose_reply = lambda method: True
        lost = [project.process("deploy", *more, env=debugging) for more in ((), ("--json",))]
        between.lose_reply = proxy.the_next(1, "PUT")
        found = project.process("deploy", "--json", env=debugging)
    assert (tested.code, found.code) == (0, 0), (tested.text, found.text)
    assert written > 0
    assert [(ran.code, "it gave no usable answer" in ran.text) for ran in lost] == [(1, True)] * 2, lost
    assert [near for ran in (tested, *lost, found) if (near := search(ran.text))] == []
    assert b"deploy\0--json" in seen.all
    assert search(seen.all) == ""
    assert search.below(project.root) == []
