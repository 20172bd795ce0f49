"""The whole road with its journal in a bucket: processes can still be started, and nothing is left in a folder."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from road.project import Project

from roadworthy.config import Journal
from roadworthy.journal.objects import open_bucket

from .conftest import CREDENTIALS

pytestmark = pytest.mark.stores


@pytest.fixture
def kept(project: Project, journal: Journal) -> Project:
    """The project, told by release.toml to keep its journal in the bucket."""
    file = project.root / "release.toml"
    table = f'[journal]\nstore = "{journal.store}"\nendpoint = "{journal.endpoint}"\nsandbox = true\n'
    file.write_text(f"{file.read_text()}\n{table}")
    project.commit("Keep the journal in a bucket")
    return project


def test_a_command_that_used_the_store_still_runs_git_and_the_tests(kept: Project, journal: Journal) -> None:
    """`test` reads the journal, then runs git and the app's tests as processes, then writes the journal."""
    said = kept.json("test")
    assert said["outcome"] == "succeeded"
    own = re.fullmatch(rf"{journal.store}/(sandbox/[0-9a-f]{{12}})/sandbox/package-.*", said["evidence"])
    assert own
    assert open_bucket(journal).get(said["evidence"].removeprefix(f"{journal.store}/"))
    kept.json("deploy")
    assert kept.runs() == kept.git("rev-parse", "HEAD")
    names = open_bucket(journal, own[1]).names("sandbox/staging")
    assert [Path(name).name for name in names] == ["00000001.json", "00000002.json"]
    assert open_bucket(journal).names("live") == []
    assert not (kept.root / ".release" / "journal").exists()


def test_no_credential_of_the_store_is_in_what_a_command_leaves(kept: Project) -> None:
    kept.json("test")
    ran = kept.invoke("deploy")
    assert ran.code == 0, ran
    left = [file.read_bytes() for file in (kept.root / ".release").rglob("*") if file.is_file()]
    for secret in CREDENTIALS.values():
        assert secret not in ran.text
        assert not any(secret.encode() in data for data in left)
