"""The table of bad input: whatever is wrong, one line, the right code, nothing half-done, and no secret.

Each row is a command on a project that works. It runs twice, as a machine calls it (`--json`) and as a person
does, and then journal, platform, packages and certificates are compared with what they were.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from road.project import KEYS, Project

from .spoiling import (
    Spoil,
    altered_package,
    file,
    flipped,
    held,
    mode,
    moved,
    no_commits,
    nothing,
    toml,
    wrong_api_key,
)

ENVIRONMENTS = r"unknown environment .* release\.toml declares staging \(staging-\d+\), prod \(prod-\d+\)"
NO_COMMIT = r".* is not a commit: give HEAD or 40 hex characters.*"
NO_PACKAGE = r".* is not a package: give vNNN, a 40-character commit or a 64-character digest"
ONE_LINE = r"--{}: one line of at most 500 printable characters"
LOCKED = "production is locked: ALLOW_PROD is set, but not to 1"
PROD = ("deploy", "--env", "prod")
JOURNAL = ".release/journal/sandbox/staging"
DISTRUST = "the journal cannot be trusted:"
PUBLISH = ("dockerhub.release", "--repository=127.0.0.1:9/team/app")
LIVE = toml('target = "sandbox"', 'target = "live"')


@dataclass(frozen=True)
class Row:
    """`says` must match the line, or one of the reasons of a refusal; `writes` is what the journal then gains."""

    words: tuple[str, ...]
    code: int
    says: str
    spoil: Spoil = nothing
    env: Mapping[str, str] = field(default_factory=dict)
    writes: tuple[str, ...] = ()


def prod(says: str, code: int, *, spoil: Spoil = nothing, **env: str) -> Row:
    return Row(PROD, code, says, spoil, env, ("refused deploy",))


def commit(said: str, says: str = NO_COMMIT) -> Row:
    return Row(("deploy", f"--commit={said}"), 2, says)


def rel(said: str, says: str = NO_PACKAGE) -> Row:
    return Row(("rollback", f"--to={said}"), 2, says)


def config(says: str, old: str, new: str) -> Row:
    return Row(("deploy",), 2, says, toml(old, new))


def data(says: str, content: bytes | None) -> Row:
    return Row(("deploy",), 2, says, file("release.toml", content))


TABLE: dict[str, Row] = {
    # ---- names of things that are not there
    **{
        f"unknown environment of {task}": Row((task, "--env", "nope"), 2, ENVIRONMENTS)
        for task in ("deploy", "migrate", "rollback", "certify", "ship", "verify", "smoke", "reconcile", "history")
    },
    **{
        f"environment {said[:12]!r}": Row(("deploy", f"--env={said}"), 2, ENVIRONMENTS)
        for said in ("", "sta ging", "'staging'", '"', "staging;id", "../staging", "a\nb", "Staging", "x" * 50_000)
    },
    "unknown app of the logs": Row(("sandbox.logs", "--app", "nope"), 2, ENVIRONMENTS),
    "unknown action": Row(("guards.explain", "--action", "nope"), 2, "unknown action 'nope': expected deploy, .*"),
    "unknown task": Row(("deplyo",), 2, r"No idea what 'deplyo' is, did you mean deploy\?: see `invoke --list`"),
    "unknown task of a group": Row(("sandbox.upp",), 2, "No idea what 'sandbox.upp' is, did you mean sandbox.up.*"),
    "unknown option": Row(("deploy", "--nope"), 2, "No idea what '--nope' is.*: see `invoke deploy -h`"),
    "word too many": Row(("deploy", "staging"), 2, "No idea what 'staging' is: see `invoke deploy -h`"),
    "option of another task": Row(("smoke", "--commit=HEAD"), 2, "No idea what '--commit' is.*invoke smoke -h`"),
    "option without its value": Row(("history", "--env"), 2, "Flag --env needed value and was not given one.*"),
    "number that is none": Row(("history", "--limit", "many"), 2, "a whole number is expected, not 'many'"),
    "number of 5000 digits": Row(("history", "--limit", "9" * 5000), 2, ".*, not one of thousands of digits"),
    "unknown database": Row(("sandbox.up", "--database", "oracle"), 2, "unknown database 'oracle': .*"),
    "port that is none": Row(("sandbox.up", "--port", "99999"), 2, "port 99999 cannot be used.*"),
    "faults that are no JSON": Row(("sandbox.faults", "--set", "{"), 2, "--set is not valid JSON: .*"),
    "faults that are no list": Row(("sandbox.faults", "--set", "3"), 2, "--set is not a JSON list: .*"),
    "faults nested too deeply": Row(("sandbox.faults", "--set", "[" * 100_000), 2, "--set is not valid JSON: .*"),
    "faults that are none": Row(("sandbox.faults", "--set", '[{"x": 1}]'), 2, ".*These are no faults.*"),
    "unlocking what is free": Row(("lock.unlock", "--token", "1", "--reason", "x"), 2, "staging is not locked"),
    # ---- Docker Hub (tests/packages/test_versions.py knows every form of a TAG): nothing is asked of port 9
    **{
        f"tag {said[:12]!r}": Row((*PUBLISH, f"--tag={said}"), 2, rf"TAG '.*' {why}.*")
        for said, why in (
            ("latest", "is given by itself"), ("v1.2", "reads as the newest"), ("V1.2.3", "has capital letters"),
            ("app:1.4.0", "names a repository"), (f"sha256:{'a' * 64}", "is a digest"), ("1.4.0 beta", "is no tag"),
            ("-1.4.0", "is no tag"), ("1.4.0\n", "is no tag"), ("a" * 129, "has more than 128"),
        )
    },
    "repository with a tag": Row((*PUBLISH[:1], "--repository=team/app:1.4.0"), 2, ".* is no repository of .*"),
    "latest elsewhere": Row((*PUBLISH, "--latest=yes"), 2, "LATEST 'yes': expected back, which allows.*"),
    # ---- release.toml (tests/test_config.py knows every mistake by its line)
    "no release.toml": data(r"no release\.toml in project/: run this from the project, or write one", None),
    "empty release.toml": data(r"release\.toml:1: the key 'schema' is missing", b""),
    "release.toml that is not UTF-8": data(r"release\.toml:2: this is not UTF-8.*", b"schema = 1\n\xff"),
    "huge release.toml": data(r"release\.toml is longer than 65,536 bytes.*", b"# \n" * 4_000_000),
    "nested release.toml": data(r"release\.toml: .* nested too deeply.*", b"a = " + b"[\n" * 20_000),
    "release.toml that is a folder": Row(
        ("deploy",), 2, r"release\.toml cannot be read: Is a directory", moved("release.toml", Path.mkdir)
    ),
    "malformed release.toml": config(r"release\.toml:7: Expected.*", "[project]", "[project"),
    "key twice": config(r"release\.toml:5: Cannot overwrite a value", "schema = 1", "schema = 1\nschema = 1"),
    "unknown key": config(r"release\.toml:\d+: limits\.htp: unknown key: .*", "http =", "htp ="),
    "wrong type": config(r"release\.toml:4: schema: expected int, got str", "schema = 1", 'schema = "1"'),
    "duration": config(r"release\.toml:\d+: limits\.boot: '5' is not a duration.*", 'boot = "5s"', 'boot = "5"'),
    "unknown target": config(r"release\.toml:5: .*unknown target 'prod'.*", '"sandbox"', '"prod"'),
    **{
        f"app named {name}": config(
            r"release\.toml:\d+: environments\.staging\.app: .*", 'app = "STAGING"', f'app = "{name}"'
        )
        for name in ("a b", "a'b", "a;id", "../x", "a\\nb", "$(id)", "")
    },
    "app of two environments": config(
        r".*'prod' names the environment 'staging' already.*", 'app = "STAGING"', 'app = "prod"'
    ),
    # ---- the repository
    "no repository": Row(("deploy",), 2, ".*git.*", moved(".git")),
    "no commits": Row(("deploy",), 2, "no commits yet in .*: commit first", no_commits),
    "dirty tree": Row(
        ("deploy",),
        3,
        r"tree_is_clean: not committed: app/web\.py; commit or remove it \(git status\).*",
        file("app/web.py", b"changed"),
        writes=("refused deploy",),
    ),
    "stray file": Row(("deploy",), 3, "tree_is_clean: .*", file("stray", b""), writes=("refused deploy",)),
    "empty commit": commit(""),
    "commit that is not hex": commit("z" * 40),
    "too short commit": commit("abc", "commit 'abc' is too short: give at least 4 .*"),
    "commit that begins none": commit("0" * 12, "no commit here begins with .*"),
    "unknown commit": commit("0" * 40, ".* is unknown here: check it, or git fetch"),
    "relative commit": commit("HEAD~1"),
    "commit like an option": commit("-x"),
    "branch": commit("main"),
    "commit with a newline": commit("0" * 40 + "\n"),
    "commit with a command": commit("$(id)"),
    "endless commit": commit("x" * 50_000),
    # ---- where a rollback goes
    "empty REL": rel("", r"--to \(REL\) is empty: give vNNN.*"),
    "v0": rel("v0"),
    "v999": rel("v999", r"staging-\d+ has no release v999 \(the newest is v\d+\): see `invoke history`"),
    "latest": rel("latest"),
    "v-1": rel("v-1"),
    "release with a command": rel("v1;id"),
    "release with a newline": rel("v1\n"),
    "release of config": rel("v1", "v1 of .* has no package.*"),
    "endless release": rel("v" + "1" * 50_000),
    "unknown digest": rel("0" * 64, "0{64} was never verified in staging.*"),
    "nothing to go back to": Row(("rollback", "--env", "prod"), 2, "prod has no verified package.*", env=KEYS),
    # ---- the keys of production
    "no key": prod("production_is_unlocked: production is locked: ALLOW_PROD is not set.*", 2),
    **{
        f"ALLOW_PROD={said!r}": prod(f".*{LOCKED}.*", 2, ALLOW_PROD=said, ALLOW_PROD_DEPLOY="YES")
        for said in ("yes", "true", "01", "1 ", " 1", "0", "2", "１")
    },
    "ALLOW_PROD=''": prod(".*ALLOW_PROD is not set.*", 2, ALLOW_PROD="", ALLOW_PROD_DEPLOY="YES"),
    **{
        f"ALLOW_PROD_DEPLOY={said!r}": prod("deploy_guard: .*", 42, ALLOW_PROD="1", ALLOW_PROD_DEPLOY=said)
        for said in ("yes", "", "1", "YES ")
    },
    "key in .env": prod(".*is set in .env: delete it.*", 2, spoil=file(".env", b"ALLOW_PROD=1\n"), **KEYS),
    "both keys in .env alone": prod(
        ".*is set in .env.*", 2, spoil=file(".env", b"export ALLOW_PROD = 1\nALLOW_PROD_DEPLOY=YES\n")
    ),
    ".env that is not UTF-8": Row(PROD, 2, r"\.env cannot be read: it is not UTF-8", file(".env", b"\xff"), KEYS),
    ".env that is no list of names": Row(PROD, 2, r"\.env:2: .*", file(".env", b"A=1\n'\n"), KEYS),
    # ---- target and state
    "target by the environment": Row(
        PROD, 2, ".*may only say 'sandbox', not 'live'.*", env={"ROADWORTHY_TARGET": "live"}
    ),
    "live without a credential": Row(
        ("deploy",), 2, "HEROKU_API_KEY is not set: target 'live' needs it", LIVE
    ),
    "live with another state": Row(
        ("deploy",),
        2,
        "ROADWORTHY_STATE is for the sandbox: .*",
        LIVE,
        {"ROADWORTHY_STATE": ".release/other"},
    ),
    "sandbox that is down": Row(
        ("deploy",), 2, "the sandbox is not up: run `invoke sandbox.up`", env={"ROADWORTHY_STATE": ".release/none"}
    ),
    "wrong API key": Row(("deploy",), 2, ".*(key|credential|Unauthorized).*", wrong_api_key),
    # ---- what a person says
    **{
        f"--{option} {text[:8]!r}": Row(("deploy", f"--{option}={text}"), 2, ONE_LINE.format(option))
        for option in ("why", "change", "approval")
        for text in ("a\nb", "x" * 10_000, "\x1b[2J")
    },
    # ---- evidence
    "EVIDENCE_DIR that is a file": Row(
        ("smoke",), 2, "smoke_.* cannot be written in release.toml/: .*", env={"EVIDENCE_DIR": "release.toml"}
    ),
    "EVIDENCE_DIR that may not be written": Row(
        ("smoke",), 2, "smoke_.* cannot be written in .*", env={"EVIDENCE_DIR": "/proc/roadworthy"}
    ),
    "signing key that others can read": Row(
        ("deploy",), 2, r"others can read .* \(mode 0644\): chmod 600 it", mode(".release/keys/sandbox", 0o644)
    ),
    "signing key that is none": Row(("deploy",), 2, ".*signing key.*", file(".release/keys/sandbox", b"x")),
    "altered journal": Row(
        ("deploy",), 1, rf"{DISTRUST} sandbox/staging/00000001\.json: .*", flipped(f"{JOURNAL}/*1.json")
    ),
    "journal with a hole": Row(
        ("deploy",), 1, rf"{DISTRUST} .*00000002\.json is missing", moved(f"{JOURNAL}/00000002.json")
    ),
    "altered package": Row(("deploy",), 2, ".*package.*", altered_package),
    "second release at the same time": Row(("deploy",), 5, "sandbox/staging is locked by .*; wait.*", held),
}  # fmt: skip


def so(project: Project) -> dict[str, Any]:
    """Everything that a command could have changed."""
    state = project.root / ".release"
    return {
        "journal": {place: project.kinds(place) for place in ("staging", "prod")},
        "releases": {place: project.releases(place) for place in ("staging", "prod")},
        "calls": project.changes() + project.changes("prod"),
        "certificates": {path.name: path.read_bytes() for path in state.glob("*_certified")},
        "packages": {path.name: path.read_bytes() for path in state.glob("packages/*")},
        "tree": project.git("status", "--porcelain"),
    }


def secrets(project: Project) -> list[str]:
    """The API key, and each line of the signing key."""
    key = (project.root / ".release" / "keys" / "sandbox").read_text()
    return [
        (project.sandbox / "api-key").read_text().strip(),
        *(line for line in key.splitlines() if len(line) > 30),
    ]


@pytest.mark.later(60)
@pytest.mark.parametrize("name", TABLE)
def test_bad_input_is_one_line_the_right_code_and_nothing_half_done(living: Project, name: str):
    row, before = TABLE[name], so(living)
    with row.spoil(living):
        asked = living.invoke(*row.words, "--json", env=row.env)
        shown = living.invoke(*row.words, env=row.env)
    assert (asked.code, shown.code) == (row.code, row.code), asked.text + shown.text
    said = asked.said
    assert said["code"] == row.code
    assert said["outcome"] == {3: "refused", 42: "refused"}.get(
        row.code, "refused" if row.writes else "failed"
    )
    line = said["line"]
    assert line.isprintable() and len(line) < 400, line
    assert any(re.fullmatch(row.says, text) for text in (line, *said.get("reasons", ()))), (line, said)
    last = shown.err.splitlines()[-1]
    assert re.match(rf"(✗|FAIL) {re.escape(line[:20])}", last), shown.text
    for ran in (asked, shown):
        assert "Traceback" not in ran.text and "internal error" not in ran.text
        assert not [s for s in secrets(living) if s in ran.text]
    after = so(living)
    if name == "second release at the same time":
        row = Row(row.words, row.code, row.says, writes=())
        after["journal"]["staging"] = after["journal"]["staging"][:-2]
    place = "prod" if "prod" in row.words else "staging"
    before["journal"][place] = [*before["journal"][place], *row.writes, *row.writes]
    assert after == before
