"""The policy that the docs show is the one that `evidence.keys --policy` writes, and each action is somebody's."""

import subprocess

import pytest
from docs_pages import ROOT, blocks, rows, section

from roadworthy.actions import NAMES, named
from roadworthy.commands import trust as trusting
from roadworthy.config import decode
from roadworthy.execution.signing import OFF_THE_ROAD, stage_of, works
from roadworthy.journal.policy import Asked
from roadworthy.journal.sign import Trust, create_key

STAGE = {name: stage_of(name) for name in (*OFF_THE_ROAD, *NAMES)}
PAGE = ROOT / "docs/trust.md"
OF_A_PACKAGE = ("intake", "build", "publish", "test", "accept", "release")
NOW = "2030-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def trust(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust")
    for name in trusting.KEYS:
        create_key(folder, name)
    (folder / "trust.toml").write_text(trusting.reference())
    return Trust.load(folder)


def may(trust, environment, action):
    """The names of the keys that may sign this on live."""
    asked = Asked("live", environment, STAGE[action], action, NOW)
    return [trust.policy.names[key] for key in trust.policy.who_may(asked)]


def test_the_page_shows_the_policy_that_is_written_for_this_project():
    (shown,) = blocks(PAGE, "toml")[:1]
    assert shown == trusting.reference()
    assert trusting.for_project(decode((ROOT / "release.toml").read_bytes())) == trusting.reference()


def test_each_action_is_the_work_of_one_key(trust):
    for action in STAGE:
        places = ("package-" + "c" * 40,) if action in OF_A_PACKAGE else ("staging", "prod")
        for place in places:
            keys = may(trust, place, action)
            assert len(keys) == 1, (action, place, keys)
    assert may(trust, "prod", "deploy") == ["deploy"]
    assert may(trust, "staging", "deploy") == ["verification"]


def test_whoever_may_begin_an_action_may_also_put_it_right(trust):
    for action in [name for name in NAMES if named(name).undone_by]:
        for place in ("staging", "prod"):
            (key,) = may(trust, place, action)
            assert all(may(trust, place, work.action) == [key] for work in works((action,)))


def test_the_page_names_every_action_that_is_signed():
    said = " ".join(" ".join(row) for row in rows(section(PAGE, "### What a command signs")))
    for action, stage in STAGE.items():
        assert f"`{action}`" in said or f"`{stage}/{action}`" in said, action


def test_what_is_written_has_the_names_of_the_project():
    text = (ROOT / "release.toml").read_text().replace("[environments.prod]", "[environments.shop]")
    text = text.replace('certified_in = "staging"', "").replace("[targets.live]", "[targets.real]")
    written = trusting.for_project(decode(text.encode()))
    assert 'environments = ["shop"]' in written and '"prod"' not in written
    assert 'needs = ["accept", "release"]' in written, "without a certificate none is needed"
    assert 'target = "real"' in written and '"live"' not in written


def test_git_keeps_the_policy_and_the_keys():
    ignored = ["git", "check-ignore", ".release/trust/trust.toml", ".release/trust/deploy.pub"]
    assert subprocess.run(ignored, cwd=ROOT, capture_output=True, check=False).returncode == 1
