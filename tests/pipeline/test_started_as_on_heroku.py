"""What acceptance starts is what the platform starts: a line of the Procfile, by a shell, with its profile."""

from __future__ import annotations

import pytest
from road.project import Project

LINES = (
    "cd . && exec python -S web.py",
    "HOST=127.0.0.1 python -S web.py",
    "python -S -c \"import os,sys; assert sys.argv[1]==os.environ['PORT'], sys.argv; sys.argv[1:]=[];"
    "sys.path.insert(0, '.'); exec(open('web.py').read(), {'__name__': '__main__', '__file__': 'web.py'})\" $PORT",
    "python -S web.py # don't fork",
    "python -S web.py ${EXTRA:-}",
    "python -S web.py > /dev/stdout 2>&1",
    "echo starting; exec python -S web.py",
)


@pytest.mark.later(2)
@pytest.mark.parametrize("line", LINES)
def test_each_form_of_a_line_is_accepted_and_then_runs(project: Project, line: str) -> None:
    commit = project.commit("Start it so", {"app/Procfile": f"# don't panic\r\nweb: {line}\r\n"})
    project.released()
    project.json("deploy")
    assert project.runs() == commit


def test_a_line_that_the_shell_cannot_read_is_not_accepted(project: Project) -> None:
    project.commit("Forget a quote", {"app/Procfile": "web: python -S 'web.py\n"})
    for stage in ("intake", "build", "test"):
        project.json(stage)
    assert "ACCEPTANCE" in project.json("accept", code=1)["line"]


def test_profile_scripts_are_sourced_in_acceptance_and_on_the_platform(project: Project) -> None:
    line = 'web: test -n "$FROM_PROFILE_D" && exec python -S web.py\n'
    files = {"app/Procfile": line, "app/.profile.d/env.sh": "export FROM_PROFILE_D=1\n"}
    commit = project.commit("Set a variable at boot", files)
    project.released()
    project.json("deploy")
    assert project.runs() == commit


@pytest.mark.parametrize("bad", ["\ufeffweb: python -S web.py\n", "web: python -S web.py\nweb: sleep 1\n"])
def test_a_procfile_that_cannot_be_read_stops_the_build_with_file_and_line(
    project: Project, bad: str
) -> None:
    project.commit("Spoil it", {"app/Procfile": bad})
    project.json("intake")
    assert project.json("build", code=2)["line"].startswith("app/Procfile:")
    assert project.json("deploy", code=2)["line"].startswith("app/Procfile:")


def test_a_slugignore_is_not_applied_and_a_build_says_so(project: Project) -> None:
    project.commit("Ignore", {"app/.slugignore": "web.py\n"})
    project.json("intake")
    ran = project.invoke("build", "--json")
    assert ".slugignore is not applied" in ran.err, ran.text
    project.commit("Ignore no more", {"app/.slugignore": None})
    project.json("intake")
    assert "is not applied" not in project.invoke("build", "--json").err
