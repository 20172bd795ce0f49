"""Journals that a finished version of this code wrote are read, judged and exported as on that day.

`kept/projects.tar.xz` holds two projects that went the whole road on the sandbox, of one component and of two. What
the commands said of them then is in `kept/said.json`. The archive is never written again: a change that needs it to
be is one that old journals do not survive. Of what was said then, only sentences for people may change.
"""

import base64
import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from road.project import REPOSITORY, Project

from roadworthy.journal.audit import audit
from roadworthy.journal.audit_trust import read_anchors

from .verifying import VERIFY, verified

KEPT: Final = Path(__file__).parent / "kept"
SAID: Final[Mapping[str, Mapping[str, Any]]] = json.loads((KEPT / "said.json").read_bytes())
"""By project and command, the `details` of its JSON."""
ASKED: Final = [(project, command) for project in SAID for command in SAID[project]]
RELEASES: Final = {"one": "v5", "two": "v4"}
"""What was exported of each project."""


class Kept(Project):
    """A project as it was left, with today's code."""

    def __init__(self, root: Path) -> None:
        self.root = root


def unpack(folder: Path, projects: Iterable[str]) -> None:
    """Lay the projects out as they were, but for the rules and tasks of today."""
    with tarfile.open(KEPT / "projects.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for root in map(folder.joinpath, projects):
        clone = ("git", "clone", "-q", "--no-checkout", root / "project.bundle", root / "clone")
        subprocess.run(clone, check=True, timeout=60)
        (root / "clone" / ".git").rename(root / ".git")
        shutil.copytree(REPOSITORY / "guards", root / "guards")
        shutil.copy(REPOSITORY / "tasks.py", root)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    unpack(folder, SAID)
    return folder


def journals(kept: Path) -> list[Path]:
    return sorted(kept.glob("*/.release/journal/sandbox/*"))


def payload(path: Path) -> Any:
    return json.loads(base64.b64decode(json.loads(path.read_bytes())["payload"]))


def test_they_went_the_whole_road(kept: Path):
    kinds = {"one": set[str](), "two": set[str]()}
    for path in kept.glob("*/.release/journal/sandbox/*/*.json"):
        said = payload(path)["predicate"]
        kinds[path.relative_to(kept).parts[0]].add(f"{said['kind']} {said['action']}")
    stages = ("intake", "build", "test", "accept", "release", "deploy", "migrate", "certify", "rollback")
    for found in kinds.values():
        assert found >= {f"{kind} {stage}" for kind in ("start", "end") for stage in stages} | {
            "failed deploy"
        }
    assert kinds["one"] >= {"refused deploy", "abandon deploy", "end adopt", "end config", "end complete"}


def test_both_auditors_and_the_reader_believe_them(kept: Path):
    for folder in journals(kept):
        assert audit(folder, folder.parents[2] / "keys") == []
        Kept(folder.parents[3]).log(folder.name).entries()
    (anchor,) = read_anchors(str(kept / "one" / "prod.anchor"), "sandbox/prod")
    folder = kept / "one" / ".release" / "journal" / "sandbox" / "prod"
    assert audit(folder, folder.parents[2] / "keys", [anchor]) == []


@pytest.mark.audit
def test_the_shell_believes_them(kept: Path):
    for folder in journals(kept):
        command = [REPOSITORY / "scripts" / "audit.sh", folder, "--trust", folder.parents[2] / "keys"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert f"{len([*folder.iterdir()])} entries" in done.stdout


@pytest.mark.parametrize(("project", "command"), ASKED)
def test_a_command_says_what_it_said(kept: Path, project: str, command: str):
    assert Kept(kept / project).invoke(*command.split(), "--json").said["details"] == SAID[project][command]


@pytest.mark.parametrize("project", SAID)
def test_a_certificate_is_the_one_that_an_entry_names(kept: Path, project: str):
    (certificate,) = (kept / project / ".release").glob("*_certified")
    entries = Kept(kept / project).entries()
    *_, end = (e for e in entries if (e.record.kind, e.record.action) == ("end", "certify"))
    (named,) = (item for item in end.record.evidence if item.name == certificate.name)
    log = Kept(kept / project).log()
    assert log.evidence(named.sha256) == certificate.read_bytes()
    assert f"CERTIFIED_ENTRY={end.seq - 1} {entries[end.seq - 2].sha256}" in certificate.read_text()


@pytest.mark.parametrize("project", SAID)
def test_an_export_says_what_it_said(kept: Path, project: str):
    root = kept / project
    Kept(root).json("evidence.export", "--env", "prod", "--release", RELEASES[project], "--to", "again")
    then, now = root / "export", root / "again"
    assert sorted(p.name for p in now.iterdir()) == sorted(p.name for p in then.iterdir())
    for path in sorted(then.iterdir()):
        if path.suffix in (".tgz", ".pem", ".link") or path.name.endswith(".dsse.json"):
            assert (now / path.name).read_bytes() == path.read_bytes(), path.name
    layouts = [payload(folder / "root.layout") for folder in (then, now)]
    assert all(layout.pop("expires") for layout in layouts)
    assert layouts[0] == layouts[1]


@pytest.mark.intoto
@pytest.mark.skipif(not VERIFY, reason="`nox -s intoto` runs it")
def test_the_stock_verifier_believes_a_new_export_of_them(kept: Path):
    for project, release in RELEASES.items():
        Kept(kept / project).json("evidence.export", "--env", "prod", "--release", release, "--to", "new")
        assert verified(kept / project / "new") == (0, "")
