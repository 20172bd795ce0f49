"""A release that went the real road is exported, and judged by the stock in-toto-verify."""

from __future__ import annotations

import hashlib
from pathlib import Path

from journal.verifying import intoto, refused_with_one_byte_changed, verified

from road.project import KEYS, Project

pytestmark = intoto


def exported(project: Project) -> Path:
    """The export of what was just released to production."""
    project.released()
    project.json("deploy")
    project.json("certify")
    project.json("deploy", "--env", "prod", "--commit", project.first, env=KEYS)
    version = project.releases("prod")[-1]["version"]
    project.json("evidence.export", "--env", "prod", "--release", f"v{version}", "--to", "out")
    return project.root / "out"


def test_a_release_of_one_package(project: Project) -> None:
    out = exported(project)
    links = sorted(out.glob("*.link"))
    assert [link.name.split(".")[1:3] for link in links] == [
        ["package", "build"],
        ["package", "test"],
        ["package", "accept"],
        ["package", "release"],
        ["staging", "deploy"],
        ["staging", "certify"],
        ["prod", "deploy"],
    ]
    assert verified(out) == (0, "")
    refused_with_one_byte_changed(out, links[0], links[-1], out / "root.layout", out / "package.tgz")


def test_a_release_of_two_components(pair: Project) -> None:
    exported(pair)
    for package in (pair.root / ".release" / "packages").rglob("*.tgz"):
        package.unlink()  # as on another machine: they are brought from the store
    pair.json("evidence.export", "--env", "prod", "--release", "2", "--to", "again")
    out = pair.root / "again"
    assert verified(out) == (0, "")
    told = pair.entries("prod")[-1].record.details["to"]["components"]
    files = {part["name"]: out / f"package-{part['name']}.tgz" for part in told}
    assert list(files) == ["web", "worker"]
    for part in told:
        assert hashlib.sha256(files[part["name"]].read_bytes()).hexdigest() == part["digest"]
    refused_with_one_byte_changed(out, next(out.glob("*.*.link")), out / "root.layout", *files.values())
    files["web"].rename(out / "kept")
    files["worker"].rename(files["web"])
    (out / "kept").rename(files["worker"])
    assert verified(out)[0] == 1, "one component's package in the place of the other's"
