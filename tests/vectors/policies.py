"""What makes a policy invalid, and what the original's workflows promise."""

from __future__ import annotations

import re

from roadworthy import config
from roadworthy.errors import UsageError

from .deciding import NOT_ASKED
from .reading import ROOT, Answer, Difference, Subject, Vector

Tables = dict[str, dict[str, str]]
CLASSES = ("runtime", "desktop", "infra", "identity", "migration", "infra_rollout", "docs")
WHOLE: Tables = {
    "": {"schema": "1", "target": '"sandbox"'},
    "project": {"name": '"x"'},
    "package": {},
    "commands": dict.fromkeys(("test", "migrate", "revision"), '"true"'),
    "targets.sandbox": {"platform": '"heroku"'},
    "environments.staging": {"app": '"staging-app"'},
    "scope": dict.fromkeys(
        ("runtime", "desktop", "infra", "identity", "migration", "infra_rollout", "docs"), '["a/**"]'
    ),
    "docs_drift": {"critical": '["a/**"]', "blocking": '["b/**"]', "targets": '["docs/**"]'},
    "slo": {"mode": '"enforce"', "commit": '"300s"', "acceptance": '"900s"', "production": '"1200s"'},
}
NAMES = {"infraRollout": "infra_rollout", "docsOnly": "docs"}
SLO = {
    "commitStage.slo.targetSeconds": "commit",
    "commitStage.slo.mode": "mode",
    "cloudDeliveryPipeline.slo.mode": "mode",
    "acceptanceTargetSeconds": "acceptance",
    "productionTargetSeconds": "production",
}
SECTIONS = {  # what of a release.toml a section of the original's policy is
    "version": [("", "schema")],
    "scopeRules": [("scope", "")],
    "docsDriftRules": [("docs_drift", "")],
    "commitStage": [("slo", "commit")],
    "cloudDeliveryPipeline": [("slo", "acceptance"), ("slo", "production")],
}
NO_FILE = {"null": "null", "text": '"text"', "list": "[]"}  # a policy that is no table at all


def changed(change: str) -> Tables | None:
    """A release.toml that is changed as the original's policy was; None where it has nothing of that kind."""
    tables: Tables = {name: dict(table) for name, table in WHOLE.items()}
    first, _, value = change.partition(" ")
    key = first.removeprefix("scopeRules.")
    if first in SLO:
        seconds = re.fullmatch(r"-?[0-9]+", value) and SLO[first] != "mode"
        tables["slo"][SLO[first]] = f'"{value}s"' if seconds else value
    elif first == "without" and value in SECTIONS:
        for table, name in SECTIONS[value]:
            _ = tables[table].pop(name) if name else tables.pop(table)
    elif first != key and NAMES.get(key, key) in WHOLE["scope"]:
        tables["scope"][NAMES.get(key, key)] = '"text"' if value == "text" else value
    elif change == "unknown key":
        tables["scope"]["unknown"] = "[]"
    elif change != "whole":
        return None
    return tables


def ask_policy(vector: Vector) -> Answer:
    change = vector["input"]["change"]
    tables = changed(change)
    if tables is None and change not in NO_FILE:
        return NOT_ASKED
    text = NO_FILE.get(change, "")
    for name, table in (tables or {}).items():
        text += f"[{name}]\n" * bool(name) + "".join(f"{key} = {value}\n" for key, value in table.items())
    try:
        config.parse(text)
    except UsageError:
        return {"valid": False}
    return {"valid": True}


def without_a_default(vector: Vector) -> bool:
    first, _, section = vector["input"]["change"].partition(" ")
    return first == "without" and section in SECTIONS.keys() - {"version"}


POLICY = Subject(
    "policy-validation",
    ask_policy,
    lambda vector: vector["expected"],
    (
        Difference(
            "policy-elsewhere",
            lambda v: changed(v["input"]["change"]) is None and v["input"]["change"] not in NO_FILE,
            lambda v, answer: NOT_ASKED,
        ),
        Difference("policy-defaults", without_a_default, lambda v, answer: {"valid": True}),
        Difference(
            "policy-mode",
            lambda v: (
                ".mode " in v["input"]["change"] and v["input"]["change"].split('"')[1:2] == [" observe "]
            ),
            lambda v, answer: {"valid": False},
        ),
        Difference(
            "policy-strict",
            lambda v: v["input"]["change"] in ("unknown key", "scopeRules.runtime [1]"),
            lambda v, answer: {"valid": False},
        ),
    ),
)

# ---- workflows

FOLDER = ROOT / ".github" / "workflows"
GITHUBS = re.compile(
    r"\s*(pull_request|merge_group|push|schedule|workflow_\w+):|environment: \w+|name: commit-stage"
)
"""Texts that are GitHub's own words, or the one name that both have; any other is a name of the original's."""


def ours_of(vector: Vector) -> str | None:
    """Our workflow of that name, if what the vector asks of it can be asked of ours."""
    file, expected = vector["input"]["file"], vector["expected"]
    path = FOLDER / str(file).rpartition("/")[2]
    if file is None:
        return (FOLDER / "cloud-delivery-pipeline.yml").read_text()
    if not str(file).startswith(".github/workflows/") or not path.is_file():
        return None
    forbids = expected["matcher"] == "not toContain"
    asks = expected["matcher"] == "toContain" and GITHUBS.fullmatch(expected["args"][0])
    return path.read_text() if forbids or asks else None


def ask_workflow(vector: Vector) -> Answer:
    text, (wanted, *_) = ours_of(vector), vector["expected"]["args"]
    if text is None:
        return NOT_ASKED
    if vector["input"]["file"] is None:
        told = {"production-mutation": "group: ", "false": "cancel-in-progress: "}[wanted]
        return f"{told}{wanted}\n" in text
    return (wanted in text) == (vector["expected"]["matcher"] == "toContain")


WORKFLOWS = Subject(
    "workflow-contract",
    ask_workflow,
    lambda vector: True,
    (Difference("workflow-elsewhere", lambda v: ours_of(v) is None, lambda v, answer: NOT_ASKED),),
)

SUBJECTS = (POLICY, WORKFLOWS)
