"""A bucket that was emptied: who knows better says so, and nothing is written before somebody accepts it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests
from road.project import Project

from roadworthy.journal.objects import open_bucket

from .servers import BUCKET, Provider

pytestmark = pytest.mark.stores


def keys(provider: Provider, prefix: str) -> list[str]:
    listing = requests.get(f"{provider.endpoint}/{BUCKET}?list-type=2&prefix={prefix}/", timeout=20)
    listing.raise_for_status()
    return re.findall("<Key>([^<]+)</Key>", listing.text)


@pytest.mark.parametrize("left", [0, 1])
def test_an_emptied_or_shortened_bucket_is_noticed_and_begun_anew_only_by_a_signed_act(
    project: Project, s3: Provider, prefix: str, tmp_path: Path, left: int
) -> None:
    journal = s3.journal(prefix)
    file = project.root / "release.toml"
    table = f'[journal]\nstore = "{journal.store}"\nendpoint = "{journal.endpoint}"\nsandbox = true\n'
    file.write_text(f"{file.read_text()}\n{table}")
    project.commit("Keep the journal in a bucket")
    project.json("test")
    project.json("deploy")
    project.json("evidence.anchor")
    for key in keys(s3, prefix):
        if not left or key.endswith("staging/00000002.json"):
            open_bucket(journal)._small.delete(key.removeprefix(f"{prefix}/"))
    there = keys(s3, prefix)
    assert sum("/staging/0" in key and "beats" not in key for key in there) == left
    fresh = {"XDG_STATE_HOME": str(tmp_path / "fresh")}
    for env in ({}, fresh):
        for words in (
            ("status",),
            ("history",),
            ("deploy",),
            ("adopt", "--why", "x"),
            ("evidence.audit",),
            ("test",),
        ):
            ran = project.invoke(*words, env=env)
            assert ran.code == 1 and "the journal sandbox/staging lost entries up to #2: " in ran.text, ran
            assert f"{journal.store}/sandbox/" in ran.text
    assert [key for key in keys(s3, prefix) if "beats" not in key] == [
        key for key in there if "beats" not in key
    ]
    assert project.json("evidence.accept-loss", "--why", "the bucket was emptied")["seq"] == left + 1
    audited = project.invoke("evidence.audit", env=fresh)
    assert audited.code == 0 and "accepted losses of entries: 1" in audited.text, audited
    assert "lost entries" not in project.invoke("status", env=fresh).text


def test_a_bucket_that_is_another_one_is_no_new_journal(project: Project, s3: Provider, prefix: str) -> None:
    """By the platform: a sandbox remembers one place, a live target any, and tags are of the clone."""
    file = project.root / "release.toml"
    before = file.read_text()
    for place in (prefix, f"{prefix}-moved"):
        journal = s3.journal(place)
        table = f'[journal]\nstore = "{journal.store}"\nendpoint = "{journal.endpoint}"\nsandbox = true\n'
        file.write_text(f"{before}\n{table}")
        project.commit(f"Keep the journal in {place}")
        if place == prefix:
            project.json("test")
            project.json("deploy")
    for words in (("status",), ("test",), ("deploy",)):
        ran = project.invoke(*words)
        assert ran.code == 1 and "lost entries up to #1: release v" in ran.text, ran
    assert keys(s3, f"{prefix}-moved") == []
