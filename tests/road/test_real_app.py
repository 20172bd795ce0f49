"""The app of this repository, with its real Alembic, down the whole road and back over a new migration."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from road.project import KEYS, REPOSITORY, Project
from roadworthy.sandbox import control

FOURTH = '''"""Let a work order say who it is for."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

safe_under = "expand"
code_first = True


def upgrade() -> None:
    op.add_column("work_orders", sa.Column("owner", sa.Text, nullable=True))


def downgrade() -> None:
    op.drop_column("work_orders", "owner")
'''


class RealProject(Project):
    """A clone of this repository, on a sandbox of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.sandbox = root, root / ".release" / "sandbox"
        self.staging, self.prod = "autorisen", "capecraft"
        subprocess.run(("git", "clone", "-q", str(REPOSITORY), str(root)), check=True)
        # Which of its tests run is not what this is about, and all of them take long.
        self.change_config(("python -m pytest -q tests", "python -m pytest -q tests/test_app_tokens.py"))
        self.first = self.git("rev-parse", "HEAD")
        control.up(self.sandbox, apps=(self.staging, self.prod))

    def shipped(self) -> str:
        """Take HEAD to staging and production, as the playbook says."""
        assert self.invoke("ship", "--json").code == 0
        self.json("certify")
        self.json("deploy", "--env", "prod", env=KEYS)
        self.json("migrate", "--env", "prod", "--approval", "CR-1", env=KEYS)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def real(tmp_path: Path) -> Iterator[RealProject]:
    made = RealProject(tmp_path / "clone")
    yield made
    control.down(made.sandbox)


@pytest.mark.slow
def test_the_real_app_goes_to_production_and_back(real: RealProject):
    first = real.shipped()
    assert real.revision("prod") == "0003"
    (real.root / "app" / "migrations" / "versions" / "0004_owner.py").write_text(FOURTH)
    (real.root / "docs" / "schema.md").write_text("A work order may have an owner.\n")
    real.git("add", "-A")
    real.git("commit", "-q", "-m", "Say who a work order is for")
    second = real.shipped()
    assert (real.runs("prod"), real.revision("prod")) == (second, "0004")
    real.json("rollback", "--env", "prod", env=KEYS)
    assert (real.runs("prod"), real.revision("prod")) == (first, "0004")
    assert real.json("verify", "--env", "prod")["details"]["differences"] == []
    real.json("rollback", "--env", "prod", "--to", second, env=KEYS)
    assert real.json("verify", "--env", "prod")["details"]["differences"] == []
    real.json("smoke", "--env", "prod")
    real.json("evidence.audit")
