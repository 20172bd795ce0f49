"""What docs/runbooks/evidence.md tells an auditor to type on another machine gives the digest of the journal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from road.project import NOT_INHERITED, Project

PAGE = Path(__file__).parents[2] / "docs" / "runbooks" / "evidence.md"


@pytest.mark.later
def test_a_package_is_built_again_as_documented_in_a_clone_without_a_journal(
    project: Project, tmp_path: Path
):
    project.released()
    (built,) = [e for e in project.entries(f"package-{project.first}") if e.record.action == "build"][1:]
    clone = tmp_path / "elsewhere"
    project.git("clone", "-q", str(project.root), str(clone))
    page = PAGE.read_text().partition("on another machine. A clone is enough")[2]
    typed = [line[2:] for line in page.split("```")[1].splitlines() if line.startswith("$ ")]
    env = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    command = ["sh", "-ec", "\n".join(typed)]
    done = subprocess.run(
        command, cwd=clone, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert built.record.digest in done.stdout, done.stdout
