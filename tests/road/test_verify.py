"""Verify names every kind of difference between the journal and what is so."""

from typing import Any

import pytest

from road.project import Project, until


@pytest.fixture
def healthy(project: Project) -> Project:
    project.deployed()
    project.json("migrate")
    assert project.json("verify")["details"]["differences"] == []
    return project


def differences(project: Project) -> dict[str, dict[str, Any]]:
    said = project.json("verify", code=1)
    assert len(said["reasons"]) == len(said["details"]["differences"])
    return {d["what"]: d for d in said["details"]["differences"]}


def test_a_release_of_somebody_else_is_named_with_its_author(healthy: Project):
    first = healthy.releases()[-1]
    slug = {"slug": first["slug"]["id"], "description": "by hand"}
    healthy.api("POST", f"/apps/{healthy.staging}/releases", slug)
    found = differences(healthy)["release"]
    assert found["journal"] == f"v{first['version']}"
    assert "by hand" in found["seen"]
    assert "@" in found["seen"]
    row = next(
        r for r in healthy.json("status", code=1)["details"]["environments"] if r["app"] == healthy.staging
    )
    assert row["state"] == "drift"


def test_another_package_is_named(healthy: Project):
    healthy.commit("Second")
    healthy.deployed()
    old = healthy.releases()[-2]
    healthy.api("POST", f"/apps/{healthy.staging}/releases", {"slug": old["slug"]["id"]})
    until(lambda: healthy.runs() == healthy.first)
    assert {"release", "package", "check version"} <= differences(healthy).keys()


def test_a_dead_dyno_is_named(healthy: Project):
    healthy.api("POST", f"/apps/{healthy.staging}/dynos/web.1/actions/stop", {})
    until(lambda: healthy.get("/api/health")[0] == 503)
    found = differences(healthy)
    assert "web.1" in found["processes"]["seen"]
    assert "check health" in found


@pytest.mark.later
def test_an_app_that_says_another_commit_is_named(healthy: Project):
    healthy.mood(version=healthy.first[:12])
    assert differences(healthy).keys() == {"check version"}


@pytest.mark.later
def test_another_revision_is_named(healthy: Project):
    import sqlite3

    with sqlite3.connect(healthy.database()) as database:
        database.execute("UPDATE alembic_version SET version_num = '0042'")
    database.close()
    assert differences(healthy)["revision"] == {"what": "revision", "journal": "0001", "seen": "0042"}


def test_a_database_that_is_not_migrated_as_the_journal_says_is_named(healthy: Project):
    healthy.database().unlink()
    assert differences(healthy)["revision"]["seen"] == "None"


@pytest.mark.later
def test_maintenance_is_named(healthy: Project):
    healthy.api("PATCH", f"/apps/{healthy.staging}", {"maintenance": True})
    until(lambda: healthy.get("/api/health")[0] == 503)
    found = differences(healthy)
    assert found["maintenance"]["seen"] == "on"


@pytest.mark.later
def test_a_revision_that_cannot_be_read_is_no_equality(healthy: Project):
    healthy.faults({"kind": "status", "status": 503, "method": "POST", "path": "/dynos", "count": 9})
    assert "unreadable" in differences(healthy)["revision"]["seen"]


def test_nothing_is_changed_by_looking(healthy: Project):
    before = healthy.entries(), healthy.releases()
    healthy.json("verify")
    healthy.json("smoke")
    healthy.json("status")
    healthy.json("history")
    healthy.json("guards.explain")
    assert (healthy.entries(), healthy.releases()) == before
