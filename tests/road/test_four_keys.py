"""With the policy that the docs show, from nothing to production: four keys, each for its own work alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.docs_pages import ROOT, section, typed_in
from journal.making import needs

from road.fixtures import living
from road.live import Live, behind_tls
from roadworthy.signing import STAGE

pytestmark = pytest.mark.slow
KEYS = ("build", "verification", "approval", "deploy")
PAGE = ROOT / "docs/runbooks/live.md"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, platform: Path) -> Iterator[Live]:
    place = tmp_path_factory.mktemp("live")
    with behind_tls(platform, place) as (api, authority):
        for project in living(place / "project", platform):
            yield Live(project, api, authority, place)


@needs("dash", "jq", "openssl")
def test_the_commands_of_the_runbook_lead_from_nothing_to_production_and_no_other_key_may(live: Live) -> None:
    for line in typed_in(section(PAGE, "## Four keys, and who may sign what")):
        live.must(line)
    for line in typed_in(section(PAGE, "## From nothing to production")):
        words = shlex.split(line)
        if words[0] == "invoke" and words[1] in STAGE and words[1] != "decide":  # which only reads
            _no_other_key(live, words)
        live.must(line)
    assert live.project.runs("prod") == live.project.git("rev-parse", "HEAD")
    assert "are whole" in live.must("invoke evidence.audit").text
    for place in ("staging", f"package-{live.project.runs('prod')}"):
        live.must(f"scripts/audit.sh .release/journal/live/{place}")


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


def _journals(live: Live) -> list[str]:
    return sorted(map(str, (live.project.root / ".release/journal").rglob("*.json")))
