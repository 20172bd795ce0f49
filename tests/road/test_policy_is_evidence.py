"""What judges production is a commit's, stands in the evidence, and is never weakened unseen."""

import hashlib
import py_compile
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from road.fixtures import living
from road.project import KEYS, REPOSITORY, Project

UNLOCKED = ("production = true", "production = false")
ACTIONS = {
    "rollback": ("rollback",),
    "migrate": ("migrate", "--approval", "WO-1"),
    "config": ("config", "--set", "COLOUR"),
    "deploy": ("deploy",),
    "adopt": ("adopt", "--why", "it is ours"),
    "complete": ("complete",),
}


def to_production(project: Project) -> None:
    project.deployed()
    project.json("migrate")
    project.json("certify")
    project.deployed(env="prod")


def released_twice(project: Project) -> Project:
    for commit in ("First", "Second"):
        project.commit(commit)
        to_production(project)
    return project


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Project]:
    """A project with two packages in production, for the tests of this module that put its files back."""
    for made in living(tmp_path_factory.mktemp("kept") / "project", platform):
        yield released_twice(made)


@pytest.fixture
def released(kept: Project) -> Iterator[Project]:
    head = kept.git("rev-parse", "HEAD")
    yield kept
    for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
        kept.git("update-index", flag, *kept.git("ls-files", "release.toml", "guards").split())
    kept.git("reset", "-q", "--hard", head)
    kept.git("clean", "-qfd")


def edit(project: Project, *changes: tuple[str, str], of: str = "release.toml") -> None:
    path = project.root / of
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def refused(project: Project, action: str, *, keys: bool, env: str = "prod") -> dict[str, str]:
    """The reasons by guard, of an action that must be refused and must change nothing."""
    before = project.releases("prod"), project.kinds("prod")
    words = ACTIONS[action]
    ran = project.invoke(*words, "--env", env, "--json", env={"COLOUR": "red", **(KEYS if keys else {})})
    assert ran.code == (3 if keys else 2), ran.text
    after = project.releases("prod"), project.kinds("prod")
    assert after[0] == before[0]
    assert [kind for kind in after[1][len(before[1]) :] if not kind.startswith("refused")] == []
    return {v["guard"]: v["reason"] for v in ran.said["verdicts"] if v["outcome"] == "refuse"}


@pytest.mark.later(1)
@pytest.mark.parametrize("hidden", ["", "--assume-unchanged", "--skip-worktree"])
def test_a_line_that_is_not_committed_opens_nothing(released: Project, hidden: str):
    edit(released, UNLOCKED)
    if hidden:
        released.git("update-index", hidden, "release.toml")
        assert released.git("status", "--porcelain") == ""
    for action in ACTIONS:
        reasons = refused(released, action, keys=False)
        assert "ALLOW_PROD is not set" in reasons["production_is_unlocked"], action
        assert "ALLOW_PROD_DEPLOY=YES" in reasons["deploy_guard"]
        reasons = refused(released, action, keys=True)
        said = reasons["policy_is_committed"]
        assert said.startswith("release.toml differs from commit "), said
        assert "environments.prod.production = false (was true)" in said
        assert said.endswith("git checkout HEAD -- release.toml")
    for flag in ("--no-assume-unchanged", "--no-skip-worktree"):
        released.git("update-index", flag, "release.toml")
    released.git("checkout", "HEAD", "--", "release.toml")
    assert released.json("rollback", "--env", "prod", env=KEYS)["outcome"] == "succeeded"


@pytest.mark.later
def test_what_the_journal_knows_as_production_stays_so_and_a_weaker_policy_is_taken_in_first(
    project: Project,
):
    released = released_twice(project)
    before = released.git("rev-parse", "HEAD")
    released.change_config(UNLOCKED, ('certificate = "72h"', 'certificate = "900h"'))
    assert "ALLOW_PROD is not set" in refused(released, "rollback", keys=False)["production_is_unlocked"]
    (said,) = refused(released, "rollback", keys=True).values()
    assert f"is weaker than the policy of {before[:12]}" in said
    assert "environments.prod.production = false (was true)" in said
    assert "limits.certificate = 3240000 s (was 259200 s)" in said
    head = released.git("rev-parse", "HEAD")
    assert f"run `invoke intake --commit {head}`" in said
    released.json("intake", "--commit", head)
    done = released.json("rollback", "--env", "prod", env=KEYS)
    assert done["outcome"] == "succeeded"
    start = released.entries("prod")[-2].record.details["policy_files"]
    assert (start["commit"], start["production"]) == (head, True)
    assert "ALLOW_PROD is not set" in refused(released, "config", keys=False)["production_is_unlocked"]
    # An older checkout cannot bring the policy back that a newer one replaced.
    released.change_config(('certificate = "900h"', 'certificate = "1h"'))
    tight = released.git("rev-parse", "HEAD")
    to_production(released)
    released.git("checkout", "-q", head)
    (said,) = refused(released, "rollback", keys=True).values()
    assert f"commit {head[:12]} was not made on top of that one" in said and tight[:12] in said


@pytest.mark.later
def test_an_environment_or_app_that_is_called_otherwise_is_still_production(released: Project):
    """The journal of the app's old environment knows it; that of the environment knows it under any app."""
    released.change_config(("[environments.prod]", "[environments.other]"), ("production = true", ""))
    reasons = refused(released, "deploy", keys=False, env="other")
    assert {"production_is_unlocked", "deploy_guard"} <= set(reasons)
    ran = released.invoke("guards.explain", "--env", "other", "--action", "deploy", "--json")
    (said,) = (v for v in ran.said["verdicts"] if v["guard"] == "production_is_unlocked")
    assert said["outcome"] == "refuse"
    other = f"other-{released.prod}"
    released.api("POST", "/apps", {"name": other})
    released.change_config(
        ("[environments.other]", "[environments.prod]"), (f'"{released.prod}"', f'"{other}"')
    )
    assert "production_is_unlocked" in refused(released, "deploy", keys=False)
    released.api("DELETE", f"/apps/{other}")


def test_a_rule_is_what_the_commit_says(released: Project):
    rule = "guards/rollback_target_was_verified.py"
    text = (released.root / rule).read_text()
    (released.root / rule).write_text("def rollback_target_was_verified(plan, facts):\n    '''None.'''\n")
    released.git("update-index", "--assume-unchanged", rule)
    assert rule in refused(released, "rollback", keys=True)["policy_is_committed"]
    (released.root / rule).write_text(text)
    extra = released.root / "guards" / "extra.so"
    extra.write_bytes(b"")
    (released.root / ".git" / "info" / "exclude").write_text("*.so\n")
    assert "guards/extra.so" in refused(released, "rollback", keys=True)["policy_is_committed"]
    extra.unlink()
    # A compiled file beside a rule is not reviewed by anybody, and is not run.
    forged = released.root / "forged.py"
    forged.write_text("raise SystemExit('the compiled file was run')\n")
    there = (released.root / rule).with_name("__pycache__") / "rollback_target_was_verified.cpython-311.pyc"
    there.parent.mkdir(exist_ok=True)
    py_compile.compile(
        str(forged), str(there), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    forged.unlink()
    assert released.process("rollback", "--env", "prod", env=KEYS).code == 0


@pytest.mark.later
def test_a_guard_that_an_action_no_longer_asks_is_named(released: Project):
    edit(released, ("        rollback_target_was_verified,\n", ""), of="guards/__init__.py")
    released.git("commit", "-qam", "Ask less")
    said = refused(released, "rollback", keys=True)["policy_is_committed"]
    assert "rollback no longer asks rollback_target_was_verified" in said


def test_what_is_stricter_needs_nothing(released: Project):
    released.change_config(
        ('certificate = "72h"', 'certificate = "1h"'), ('mode = "observe"', 'mode = "enforce"')
    )
    assert released.json("rollback", "--env", "prod", env=KEYS)["outcome"] == "succeeded"


def test_staging_goes_on_with_a_local_policy_and_says_so(project: Project):
    project.deployed()
    edit(project, ('verify = "2s"', 'verify = "3s"'))
    ran = project.invoke("config", "--set", "COLOUR", env={"COLOUR": "red"})
    assert ran.code == 0, ran.text
    assert "release.toml differs from the commit: it is used here, but production would refuse it" in ran.text


def test_every_start_names_the_files_that_judged_it_and_both_audits_accept_that(released: Project):
    config = hashlib.sha256((released.root / "release.toml").read_bytes()).hexdigest()
    listed = subprocess.run(
        ("sh", "-c", "sha256sum $(git ls-files guards | LC_ALL=C sort) | sha256sum"),
        cwd=released.root, capture_output=True, text=True, check=True,
    ).stdout.split()[0]  # fmt: skip
    places = ("prod", "staging", f"package-{released.git('rev-parse', 'HEAD')}")
    for place in places:
        for entry in released.entries(place):
            said = entry.record.details.get("policy_files")
            assert (said is not None) == (entry.record.kind in ("start", "refused")), (place, entry.seq)
            if said and place != "prod":  # to which other tests of this module went with other files
                assert (said["config"], said["guards"]) == (config, listed)
            if said and not place.startswith("package-"):
                assert said["production"] == (place == "prod")
                # Another test of this module went to production with another app.
                apps = {released.app(place), *([f"other-{released.prod}"] if place == "prod" else ())}
                assert said["apps"][0] in apps
    assert released.json("evidence.audit")["outcome"] == "succeeded"
    for place in places:
        done = subprocess.run(
            (REPOSITORY / "scripts/audit.sh", f".release/journal/sandbox/{place}", "--trust", ".release/keys"),
            cwd=released.root, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
