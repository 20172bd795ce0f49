"""A project without migrations: no folder, no fake command, and the whole road is open."""

from __future__ import annotations

import pytest

from road.project import KEYS, Project


@pytest.fixture
def bare(project: Project) -> Project:
    project.change_config(
        ('migrations = "migrations"', 'migrations = "none"'),
        ('migrate = "python migrate.py upgrade {revision}"', ""),
        ('revision = "python migrate.py current"', ""),
    )
    project.commit("No migrations", {"app/migrations/0001.py": None, "app/migrate.py": None})
    return project


def one_offs(project: Project, place: str = "staging") -> list[object]:
    return [call for call in project.calls(place) if str(call["path"]).endswith("/dynos")]


def test_the_whole_road_to_production_is_open_and_no_one_off_runs(bare: Project):
    assert bare.json("ship")["outcome"] == "succeeded"
    said = bare.json("certify")
    certificate = (bare.root / ".release" / f"{bare.staging}_certified").read_text()
    assert "CERTIFIED_ALEMBIC_HEAD=none\n" in certificate
    assert said["details"]["revision"] is None
    assert "has no migrations" in bare.json("migrate")["line"]
    bare.json("accept", "--env", "prod")
    bare.json("deploy", "--env", "prod", env=KEYS)
    bare.json("migrate", "--env", "prod", env=KEYS)
    bare.json("verify", "--env", "prod")
    bare.json("complete", "--env", "prod", env=KEYS)
    assert bare.json("decide", "--env", "prod")["outcome"] == "succeeded"
    bare.json("evidence.audit")
    assert one_offs(bare) == one_offs(bare, "prod") == []
    assert not any("migrate" in kind for kind in bare.kinds("prod"))


@pytest.mark.later
def test_a_deploy_under_maintenance_and_a_rollback_need_none_either(bare: Project):
    bare.deployed()
    first = bare.runs()
    bare.commit("Second")
    bare.json("test")
    bare.json("deploy", "--maintenance")
    bare.json("rollback")
    assert bare.runs() == first
    assert bare.json("verify")["details"]["differences"] == []


def test_alembic_in_the_package_is_no_project_without_migrations(bare: Project):
    bare.commit("Alembic, by the way", {"app/alembic.ini": "[alembic]\n"})
    bare.json("test")
    said = bare.json("deploy", code=3)
    assert any("app/alembic.ini is there" in reason for reason in said["reasons"])
    bare.json("intake")
    bare.json("build")
    assert any("app/alembic.ini is there" in reason for reason in bare.json("accept", code=1)["reasons"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('test = "', 'migrate = "true"\ntest = "', 'package.migrations is "none", so remove this key'),
        ('test = "', 'revision = "true"\ntest = "', 'package.migrations is "none", so remove this key'),
        ('migrations = "none"', 'migrations = "migrations"', "the command is empty"),
    ],
)
def test_a_command_is_there_exactly_where_it_has_something_to_do(
    bare: Project, old: str, new: str, says: str
):
    bare.change_config((old, new))
    assert says in bare.json("status", code=2)["line"]
