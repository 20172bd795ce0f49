"""What the pages say exists, exists: links, commands, options, make targets, tests."""

import ast
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest
from docs_pages import PAGES, ROOT, name, prose, text, typed
from invoke.collection import Collection
from invoke.loader import FilesystemLoader

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
TEST_ID = re.compile(r"`((?:tests|app)/[\w/]+\.py)::(\w+)`")
DOCS = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
each_page = pytest.mark.parametrize("page", PAGES, ids=name)
each_doc = pytest.mark.parametrize("page", DOCS, ids=name)

# Hosts of package registries, paths of one machine, and what is not in this repository.
FORBIDDEN = re.compile(
    r"pypi\.|pythonhosted|npmjs|docker\.io|hub\.docker|registry\.heroku|crates\.io|proxy\.golang"
    r"|(?<![\w.~-])/(?:work|home|root|Users|opt|mnt)/|\.\./shared|/tmp/(?!board\.db)",
)


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


@each_page
def test_every_relative_link_leads_somewhere(page):
    for link in LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), f"{name(page)}: {link} leads nowhere"
        assert to.is_relative_to(ROOT), f"{name(page)}: {link} leads out of the repository"
        if anchor:
            assert anchor in anchors(to), f"{name(page)}: {link}: no such heading"


def test_every_page_can_be_reached_from_the_map():
    seen, todo = set(), [ROOT / "docs/index.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(prose(page)) if "://" not in link)
        todo += [to for link in links if link and (to := (page.parent / link).resolve()).suffix == ".md"]
    assert [name(page) for page in DOCS if page not in seen] == []


@each_doc
def test_a_page_says_in_its_first_line_who_it_is_for(page):
    title, _, rest = text(page).partition("\n")
    assert title.startswith("# ")
    assert rest.lstrip("\n").startswith("For "), name(page)


@each_page
def test_no_page_names_a_registry_or_a_machine(page):
    assert (found := FORBIDDEN.search(text(page))) is None, f"{name(page)}: {found}"


@each_page
def test_what_is_typed_is_something_that_a_shell_reads(page):
    done = subprocess.run(
        ["sh", "-n"], input="\n".join(typed(page)) + "\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{name(page)}: {done.stderr}"


@cache
def tasks() -> Collection:
    module, _ = FilesystemLoader(start=str(ROOT)).load("tasks")
    return module.namespace


@cache
def make_words() -> tuple[set[str], set[str]]:
    """Targets and variables of the Makefile."""
    makefile = (ROOT / "Makefile").read_text()
    targets = {
        word
        for line in re.findall(r"^([a-z][a-z -]*):(?!=)", makefile, re.MULTILINE)
        for word in line.split()
    }
    return targets, set(re.findall(r"\b([A-Z][A-Z_]+)\b", makefile))


def said(page: Path) -> list[list[str]]:
    """The commands of this repository that a page names, typed or in passing, without variables set before."""
    found = []
    for command in (*typed(page), *SPAN.findall(prose(page))):
        for part in re.findall(r"\$\((.+?)\)", command) or [command]:
            try:
                words = shlex.split(part.replace("…", ""), comments=True)
            except ValueError:
                continue  # a span of prose with an apostrophe
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words and words[0].removeprefix(".venv/bin/") in ("invoke", "make"):
                found.append([words[0].removeprefix(".venv/bin/"), *words[1:]])
    return found


def wrong_with(words: list[str]) -> str:
    """What is wrong with one command line; "" when nothing is."""
    if words[0] == "make":
        targets, variables = make_words()
        for word in words[1:]:
            variable, is_variable, _ = word.partition("=")
            if (variable not in variables) if is_variable else (word not in targets):
                return f"make knows no {word}"
        return ""
    if len(words) == 1 or words[1].startswith("-") or not re.fullmatch(r"[a-z.]+", words[1]):
        return ""  # invoke itself
    if words[1] not in tasks().task_names:
        return f"invoke knows no {words[1]}"
    options = {
        f"--{n.replace('_', '-')}" for argument in tasks()[words[1]].get_arguments() for n in argument.names
    }
    wrong = [w for w in words[2:] if w.startswith("--") and w.partition("=")[0] not in options]
    return f"{words[1]} has no {', '.join(wrong)}" if wrong else ""


@each_page
def test_every_command_that_is_named_exists_with_its_options(page):
    wrong = {" ".join(words): why for words in said(page) if (why := wrong_with(words))}
    assert wrong == {}, name(page)


@pytest.mark.parametrize(
    "command", ["invoke deplo", "invoke deploy --sure", "make deploy-all", "make status FROBNICATE=1"]
)
def test_a_command_that_does_not_exist_would_be_found(command):
    assert wrong_with(command.split())


def test_every_command_has_its_place_in_the_documentation():
    named = {words[1] for page in PAGES for words in said(page) if words[0] == "invoke" and len(words) > 1}
    assert set(tasks().task_names) - named == set()


@each_page
def test_every_test_that_is_named_exists(page):
    for file, test in TEST_ID.findall(text(page)):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}, (
            f"{name(page)}: {file} has no {test}"
        )


def test_each_of_the_nineteen_faults_has_its_line():
    numbers = re.findall(r"^## (\d+)$", text(ROOT / "docs/faults-of-the-playbook.md"), re.MULTILINE)
    assert numbers == [str(n) for n in range(1, 20)]


def test_each_decision_is_in_the_list_of_decisions():
    listed = LINK.findall(text(ROOT / "docs/adr/README.md"))
    assert sorted(listed) == sorted(p.name for p in (ROOT / "docs/adr").glob("0*.md"))


def test_a_runbook_says_when_to_stop_how_to_undo_and_what_is_left():
    playbook = (
        "deploy-staging deploy-production migrate verify smoke certify rollback ship rehearse outcome-unknown"
    )
    for page in playbook.split():
        headings = set(re.findall(r"^## (.+)$", text(ROOT / f"docs/runbooks/{page}.md"), re.MULTILINE))
        assert {"STOP when", "How to undo", "Evidence", "Exit codes"} <= headings, page
