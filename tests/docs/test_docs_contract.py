"""E15 to E17 of the deployment contract: what it refers to, what may not be weakened, and that it binds."""

import re
import subprocess
from pathlib import Path

import pytest
from docs_pages import ROOT, rows, section, text
from invoke.tasks import Task

from roadworthy import config, tasks

PAGE = ROOT / "docs/contract.md"
LIST = ROOT / "tests/docs/guarantees.txt"
SECTIONS = 18
DOCUMENTS = "RUNBOOK ROLLBACK_STRATEGY SMOKE_TESTS CI_CD_OVERVIEW DEFINITION_OF_DONE SECRETS_MANAGEMENT"
REQUIREMENTS = [f"e{number:02d}" for number in range(1, 18)]
SHOWN = ("tests/road/test_contract_before_deploy.py", "tests/road/test_contract_deploy_and_after.py")


def guarantees(page: str) -> dict[str, str]:
    """The table of guarantees of a page's text: what holds, by name."""
    _, _, rest = page.partition("\n## Guarantees\n")
    return {name: holds for name, holds in rows(rest) if name != "guarantee"}


def agreed() -> dict[str, str]:
    """The guarantees of the newest tagged version that had the page, else those of the committed list."""
    tags = git("tag", "--list", "v*", "--sort=-v:refname").split()
    pages = (git("show", f"{tag}:docs/contract.md", check=False) for tag in tags)
    released = next((page for page in pages if page), "")
    lines = (line.partition(": ") for line in LIST.read_text().splitlines())
    return guarantees(released) if released else {name: holds for name, _, holds in lines}


def git(*words: str, check: bool = True) -> str:
    done = subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=check)
    return done.stdout


def weakened(before: dict[str, str], now: dict[str, str], decisions: str) -> list[str]:
    """The guarantees that are gone or say something else, and that no decision names."""
    changed = [name for name, holds in before.items() if now.get(name) != holds]
    return [name for name in changed if f"guarantee `{name}`" not in decisions]


def decided() -> str:
    return "".join(file.read_text() for file in (ROOT / "docs/adr").glob("0*.md"))


def test_each_requirement_has_a_test_that_names_it():
    here = (*(ROOT / name for name in SHOWN), Path(__file__))
    names = re.findall(r"^def test((?:_e\d\d)+)_", "".join(map(Path.read_text, here)), re.M)
    assert sorted({number for name in names for number in re.findall(r"e\d\d", name)}) == REQUIREMENTS


def test_e15_each_section_of_the_contract_has_its_place():
    table = rows(section(PAGE, "## Its sections"))
    assert [int(row[0].split()[0]) for row in table] == list(range(1, SECTIONS + 1))
    for name, where, shown in table:
        assert re.search(r"\]\(|`|this page", where), name
        for file in re.findall(r"`((?:src|guards)/[\w/]+\.py)`", where):
            assert (ROOT / file).is_file(), file
        # That the test exists is asked of every page by test_docs.
        assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`", shown), name


def test_e15_each_document_that_the_contract_names_is_here():
    table = dict(rows(section(PAGE, "## The documents that it names")))
    assert list(table) == [f"`{name}.md`" for name in DOCUMENTS.split()]
    assert all("](" in where for where in table.values())


def test_e15_what_the_contract_leaves_open_has_the_default_that_is_said():
    said = {key: value for _, key, value in rows(section(PAGE, "## What it leaves open"))}
    limits, slo = config.Limits(), config.Slo()
    assert said == {
        "`limits.rollback`": f"{limits.rollback / 60:.0f}m",
        "`limits.release`": f"{limits.release / 60:.0f}m",
        "`limits.verify`": f"{limits.verify:.0f}s",
        "`done.criteria`": ", ".join(config.Done().criteria),
        "`environments.<name>.watch`": "none" if not config.Environment(app="a").watch else "some",
        "`slo.commit`, `slo.acceptance`, `slo.production`": ", ".join(
            f"{most / 60:.0f}m" for most in (slo.commit, slo.acceptance, slo.production)
        ),
    }
    ours = config.read(ROOT)
    assert ours.environments["prod"].watch == 120
    assert [check.name for check in ours.checks] == ["health", "csrf", "me", "version"]


def test_e16_no_guarantee_is_weakened_without_a_decision():
    now = guarantees(text(PAGE))
    assert now
    assert weakened(agreed(), now, decided()) == []


def test_e16_the_committed_list_is_the_table():
    listed = dict(line.split(": ", 1) for line in LIST.read_text().splitlines())
    assert listed == guarantees(text(PAGE))


@pytest.mark.parametrize("now", [{}, {"signed": "most entries are signed"}])
def test_e16_a_guarantee_that_is_gone_or_says_less_would_be_found(now: dict[str, str]):
    before = {"signed": "every entry is signed"}
    assert weakened(before, now, "") == ["signed"]
    assert weakened(before, now, "This weakens the guarantee `signed`, because …") == []
    assert weakened(before, {**before, "more": "x"}, "") == []


def test_e17_the_contract_is_binding_and_no_setting_turns_it_off():
    # It is a draft, and nothing is frozen: so there is no flag, and the page says what is so instead.
    assert "no setting turns a part of it off" in text(PAGE)
    keys = {
        name
        for kind in vars(config).values()
        if isinstance(kind, type) and hasattr(kind, "__struct_fields__")
        for name in kind.__struct_fields__
    }
    assert not [name for name in keys if re.search(r"skip|bypass|force|disable|binding|draft|unsafe", name)]
    options = {
        (task.name, argument) for task in vars(tasks).values() if isinstance(task, Task)
        for found in task.get_arguments() for argument in found.names
    }  # fmt: skip
    assert ("deploy", "env") in options
    # Parity is no stage of the contract. Whether it may be skipped is asked, and production never may (ADR 53).
    asked = {("request", "skip-parity"), ("request", "skip-parity-acknowledgement")}
    found = {one for one in options if re.search(r"skip|bypass|force|no-verify|unsafe", one[1])}
    assert found == asked
