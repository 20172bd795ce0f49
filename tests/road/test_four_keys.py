"""With the policy that the docs show, from nothing to production: four keys, each for its own work alone."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from docs.docs_pages import ROOT, section, typed_in
from journal.making import needs

from road.fixtures import living
from road.live import Live, behind_tls
from road.project import until
from road.test_attempts import NOTHING_SEEN
from roadworthy.actions import NAMES
from roadworthy.context import Context
from roadworthy.execution.signing import OFF_THE_ROAD, Work, works
from roadworthy.journal.entry import Entry
from roadworthy.report.terminal import Screen
from roadworthy.sandbox import control

pytestmark = [pytest.mark.slow, needs("dash", "jq", "openssl")]
KEYS = ("build", "verification", "approval", "deploy")
PAGE = ROOT / "docs/runbooks/live.md"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Live]:
    """From nothing to production by the runbook's commands; at each step every other key is refused."""
    place = tmp_path_factory.mktemp("live")
    with behind_tls(platform, place) as (api, authority):
        for project in living(place / "project", platform):
            made = Live(project, api, authority, place)
            for line in typed_in(section(PAGE, "## Four keys, and who may sign what")):
                made.must(line)
            for line in typed_in(section(PAGE, "## From nothing to production")):
                words = shlex.split(line)
                signs = {*OFF_THE_ROAD, *NAMES} - {"decide"}  # which only reads
                if words[0] == "invoke" and words[1] in signs:
                    _no_other_key(made, words)
                made.must(line)
            yield made


def test_the_commands_of_the_runbook_lead_from_nothing_to_production_and_no_other_key_may(live: Live) -> None:
    assert live.project.runs("prod") == live.project.git("rev-parse", "HEAD")
    assert "are intact" in live.must("invoke evidence.audit").text
    for place in ("staging", f"package-{live.project.runs('prod')}"):
        live.must(f"scripts/audit.sh .release/journal/live/{place}")


def test_a_ship_begins_only_when_its_key_may_sign_every_stage_that_is_left(live: Live) -> None:
    commit = live.project.commit("Second", {"app/second.txt": "2"})
    live.as_("deploy")
    before = _journals(live)
    replay = f"invoke replay --env prod --sha {commit}"
    for line in ("invoke ship --env prod", "invoke ship --env prod --plan", replay):
        said = live.refused(line)
        assert re.search(r" cannot begin: deploy\.pub \(SHA256:\S+\) may not sign ", said)
        assert re.search(r"; (build|verification)\.pub may", said)
    assert _journals(live) == before
    for key, line in (
        ("build", "invoke intake --env prod"),
        ("build", "invoke build --env prod"),
        ("verification", "invoke test"),
        ("verification", "invoke accept --env prod"),
        ("approval", "invoke release --env prod"),
        ("verification", "invoke deploy --env staging"),
        ("verification", "invoke certify --env staging"),
    ):
        live.as_(key)
        live.must(line)
    live.as_("verification")
    assert "verification.pub" in live.refused("invoke ship --env prod")
    live.as_("deploy")
    live.must("invoke ship --env prod --log")
    assert live.project.runs("prod") == commit
    live.must("invoke ship --env prod")


def test_a_deploy_whose_rollback_its_key_may_not_sign_is_refused_and_changes_nothing(live: Live) -> None:
    live.trusts(('["deploy", "config", "migrate", "rollback", ', '["deploy", "config", "migrate", '))
    ran = live.project.runs()
    live.project.commit("Die", boot="die")
    live.as_("verification")
    live.must("invoke test")
    before = _journals(live)
    for plan in ("", " --plan"):
        said = live.refused("invoke deploy --env staging" + plan)
        wanted = (
            r"deploy \(with the rollback of one that fails\) cannot begin: verification\.pub \(SHA256:\S+\)"
        )
        assert re.search(wanted + r" may not sign rollback/rollback of live/staging ", said)
        assert "; no key of trust.toml may" in said
    assert _journals(live) == before
    live.trusts(('["deploy", "config", "migrate", ', '["deploy", "config", "migrate", "rollback", '))
    live.project.commit("Die again", boot="die")
    live.must("invoke test")
    plan = live.must("invoke deploy --env staging --plan").text
    assert re.search(r"signs +deploy/deploy, rollback/rollback\n", plan)
    said = live.type("invoke deploy --env staging")
    assert said.code == 1 and "rolled back to" in said.text
    assert live.project.runs() == ran
    signed = {Work(e.record.stage, e.record.action) for e in _entries(live) if e.record.kind != "note"}
    assert signed <= {*works(("deploy", "migrate", "certify"))}


def test_what_a_key_left_open_that_expired_meanwhile_another_key_settles(live: Live) -> None:
    live.project.commit("Wait")
    live.as_("verification")
    live.must("invoke test")
    live.project.faults(*NOTHING_SEEN)
    assert live.alone("deploy", "--env", "staging").code == 4
    control.clear_faults(live.project.sandbox)
    over = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    now = f"{over:%Y-%m-%dT%H:%M:%SZ}"
    rule = 'key = "verification"\ntarget = "live"\nenvironments = ["staging"]\n'
    also = '\n[[rule]]\nkey = "approval"\ntarget = "live"\nenvironments = ["staging"]\n'
    also += 'stages = ["*"]\nactions = ["*"]\n'
    live.trusts((rule, f'{rule}until = "{now}"\n'), more=also)
    until(lambda: datetime.now(UTC) >= over)
    for line in ("invoke reconcile --env staging", "invoke reconcile --env staging --plan"):
        said = live.refused(line)
        assert re.search(
            r"\(journal #\d+\) stays open, another key must settle it: verification\.pub", said
        ), said
        assert f"it expired at {now}; approval.pub may" in said
    live.as_("approval")
    assert "changed nothing" in live.must("invoke reconcile --env staging").text
    assert "are intact" in live.must("invoke evidence.audit").text


def test_a_stolen_key_is_revoked_by_the_commands_of_the_runbook(live: Live) -> None:
    for line in typed_in(section(PAGE, "## A key was stolen, or its holder left")):
        live.must(line)
    assert "are intact" in live.must("invoke evidence.audit").text
    for place in ("prod", "staging"):
        live.must(f"scripts/audit.sh .release/journal/live/{place}")
    live.as_("deploy")
    assert re.search(r"deploy\.pub \(SHA256:\S+\) was revoked; ", live.refused("invoke rollback --env prod"))
    assert live.project.runs("prod")


def _no_other_key(live: Live, words: list[str]) -> None:
    """Each of the other keys is refused before anything begins, and told which may."""
    mine = Path(live.env["ROADWORTHY_SIGNING_KEY_FILE"]).name
    before = _journals(live)
    for key in KEYS:
        if key == mine:
            continue
        live.as_(key)
        for plan in ("", " --plan"):
            said = live.refused(shlex.join(words) + plan, 3)
            why = (
                rf"{words[1]}.* cannot begin: {key}\.pub \(SHA256:\S+\) may not sign \S+ of live/\S+ at \S+: "
            )
            assert re.search(why + rf"no rule of trust\.toml says so; {mine}\.pub may", said), said
    assert _journals(live) == before
    live.as_(mine)


def _entries(live: Live) -> list[Entry]:
    """The journal of staging, verified."""
    environ = {name: value for name, value in live.env.items() if name != "ROADWORTHY_SIGNING_KEY_FILE"}
    return (
        Context(live.project.root, Screen(json=True, stream=io.StringIO()), environ).log("staging").entries()
    )


def _journals(live: Live) -> list[str]:
    return sorted(map(str, (live.project.root / ".release/journal").rglob("*.json")))
