"""The value of a config var that `config` sets: in the environment, on the platform, and nowhere else."""

from __future__ import annotations

from pathlib import Path

from canaries import Search, awkward
from road.fixtures import platform, project
from road.project import Project
from watching import CommandLines

__all__ = ["platform", "project"]


def test_no_value_is_left_anywhere(project: Project, tmp_path: Path, platform: Path) -> None:
    project.released()
    project.json("deploy")
    project.json("migrate")
    search, value = Search(), awkward("colour")
    with CommandLines(tmp_path) as seen:
        said = [
            project.process("config", "--set", "COLOUR", *more, env={"COLOUR": value})
            for more in ([], ["--json"])
        ]
        said.append(project.invoke("complete"))
        said.append(project.invoke("rollback", "--to", project.first))
        said.append(project.process("config", "--unset", "COLOUR", env={"COLOUR": value}))
    assert [ran.code for ran in said] == [0] * 5, said
    assert [near for ran in said if (near := search(ran.text))] == []
    assert b"config\0--set\0COLOUR" in seen.all
    assert search(seen.all) == ""
    for name in (".release/journal", ".artifacts"):
        assert [path for path in (project.root / name).rglob("*") if path.is_file()], name
    assert search.below(project.root) == []
