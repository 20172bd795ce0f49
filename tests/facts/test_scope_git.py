"""What changed between two commits of real repositories: nothing is lost, whatever the names and the settings."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packages.repository import Repository

from roadworthy.config import ScopeRules
from roadworthy.errors import UsageError
from roadworthy.facts.scope import changed_between, classify

RULES = ScopeRules(runtime=("app/**",), docs=("docs/**",), checks=("tests/**",))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "project")


def refusal(root: Path, base: str, head: str) -> str:
    with pytest.raises(UsageError) as refused:
        changed_between(root, base, head)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_added_edited_and_deleted_files(repository: Repository):
    base = repository.commit({"same": "1", "edited": "1", "gone": "1"})
    head = repository.commit({"same": "1", "edited": "2", "a/b/new": "1"})
    assert changed_between(repository.root, base, head) == ("a/b/new", "edited", "gone")
    assert changed_between(repository.root, head, base) == ("a/b/new", "edited", "gone")
    assert changed_between(repository.root, head, head) == ()
    assert classify(RULES, (), base=head, head=head).reason_code == "CHECKS_ONLY_CHANGE"


def test_without_a_base_every_file_changed(repository: Repository):
    head = repository.commit({"a": "1", "b/c": "1"}, links={"d": "a"})
    assert changed_between(repository.root, "", head) == ("a", "b/c", "d")


def test_a_file_that_moved_from_one_scope_to_another_touches_both(repository: Repository):
    text = "a long text that git would call a rename\n" * 20
    base = repository.commit({"app/guide.py": text, "x": "1"})
    head = repository.commit({"docs/guide.py": text, "x": "1"})
    repository.git("config", "diff.renames", "copies")
    changed = changed_between(repository.root, base, head)
    assert changed == ("app/guide.py", "docs/guide.py")
    found = classify(RULES, changed, base=base, head=head)
    assert found.runtime and not found.docs_only


def test_a_mode_change_and_a_file_that_became_a_link_are_changes(repository: Repository):
    base = repository.commit({"app/run": "1", "app/file": "1", "app/folder/a": "1"})
    head = repository.commit({"app/run*": "1"}, links={"app/file": "1", "app/folder": "/etc"})
    assert changed_between(repository.root, base, head) == (
        "app/file",
        "app/folder",
        "app/folder/a",
        "app/run",
    )


def test_a_folder_that_became_a_link_does_not_hide_behind_the_folders_rule(repository: Repository):
    base = repository.commit({"docs/a": "1"})
    head = repository.commit({}, links={"docs": "app"})
    found = classify(RULES, changed_between(repository.root, base, head), base=base, head=head)
    assert found.unknown == ("docs",) and found.deploy_required


def test_names_may_hold_spaces_newlines_quotes_and_bytes_that_are_no_text(repository: Repository):
    odd = [
        b"docs/a b",
        b"docs/a\nb",
        b'docs/"',
        b"docs/\xff",
        b"docs/\xc3\xa4",
        b"docs/\x1b[31m",
        b"docs/tab\there",
    ]
    base = repository.commit({"x": "1"})
    head = repository.commit({"x": "1", **dict.fromkeys(odd, "1")})
    changed = changed_between(repository.root, base, head)
    assert changed == tuple(
        sorted(["docs/a b", "docs/a\nb", 'docs/"', "docs/\\xff", "docs/ä", "docs/\x1b[31m", "docs/tab\there"])
    )
    assert classify(RULES, changed, base=base, head=head).docs_only
    assert all(path.encode() for path in changed)  # fit for JSON


def test_a_name_with_a_newline_is_not_two_paths(repository: Repository):
    base = repository.commit({"x": "1"})
    head = repository.commit({"x": "1", b"app/a\ndocs/b": "1"})
    changed = changed_between(repository.root, base, head)
    assert changed == ("app/a\ndocs/b",)
    assert classify(RULES, changed, base=base, head=head).runtime


def submodule(repository: Repository, commit: str) -> str:
    """A commit of what is checked out and of a submodule at `commit`."""
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},app/vendored")
    return repository.git("commit-tree", "-m", "Submodule", repository.git("write-tree"))


def test_a_submodule_that_moved_is_a_change_whatever_it_asks_for(repository: Repository):
    repository.commit({".gitmodules": '[submodule "v"]\npath = app/vendored\nurl = ./v\nignore = all\n'})
    repository.checkout()
    base = submodule(repository, "1" * 40)
    repository.git("config", "submodule.v.ignore", "all")
    repository.git("config", "diff.ignoreSubmodules", "all")
    head = submodule(repository, "2" * 40)
    assert repository.git("diff", "--name-only", base, head) == ""  # what it hides from git
    assert changed_between(repository.root, base, head) == ("app/vendored",)


HOSTILE = {
    "core.quotepath": "true",
    "core.ignoreCase": "true",
    "core.fileMode": "false",
    "diff.noprefix": "true",
    "diff.relative": "true",
    "diff.external": "/bin/true",
    "diff.orderFile": "/dev/null",
    "diff.renames": "copies",
    "diff.x.command": "/bin/true",
    "diff.x.textconv": "/bin/true",
    "diff.x.binary": "true",
    "log.showSignature": "true",
    "color.ui": "always",
}


def test_settings_attributes_and_replaced_objects_hide_nothing(repository: Repository):
    attributes = {".gitattributes": "* -diff -text export-ignore diff=x filter=x\n"}
    base = repository.commit({"app/ä": "1", "app/b": "1\n", **attributes})
    head = repository.commit({"app/ä": "2", "app/b": "1\r\n", "app/c*": "1", **attributes})
    repository.checkout()
    before = changed_between(repository.root, base, head)
    assert before == ("app/b", "app/c", "app/ä")
    for key, value in HOSTILE.items():
        repository.git("config", key, value)
    repository.git("replace", head, base)
    assert repository.git("diff", "--no-ext-diff", "--name-only", base, head) == ""  # what they hide from git
    assert changed_between(repository.root, base, head) == before


def test_the_environment_cannot_point_elsewhere_or_hide_anything(repository: Repository, monkeypatch):
    base, head = repository.commit({"a": "1"}), repository.commit({"a": "2"})
    for name, value in {
        "GIT_DIR": "/nowhere",
        "GIT_EXTERNAL_DIFF": "/bin/true",
        "GIT_LITERAL_PATHSPECS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert changed_between(repository.root, base, head) == ("a",)


def test_two_trees_are_compared_and_not_the_way_from_where_they_parted(repository: Repository):
    # What is deployed may be on another branch, or newer: going back undoes changes, which is a change, too.
    repository.commit({"a": "1", "b": "1"})
    deployed = repository.commit({"a": "2", "b": "1"})
    repository.git("reset", "-q", "--hard", "HEAD~1")
    other = repository.commit({"a": "1", "b": "2"})
    assert changed_between(repository.root, deployed, other) == ("a", "b")


def test_what_was_pushed_and_not_deployed_is_part_of_the_change(repository: Repository):
    deployed = repository.commit({"app/a": "1", "docs/a": "1"})
    parent = repository.commit({"app/a": "2", "docs/a": "1"})
    head = repository.commit({"app/a": "2", "docs/a": "2"})
    since_parent = changed_between(repository.root, parent, head)
    assert classify(RULES, since_parent, base=parent, head=head).docs_only
    since_deployed = changed_between(repository.root, deployed, head)
    assert classify(RULES, since_deployed, base=deployed, head=head).runtime


TREES = st.dictionaries(
    st.sampled_from(["app/a", "app/b", "docs/a", "docs/b", "tests/a", "other"]), st.sampled_from(["1", "2"])
)


@pytest.mark.slow
@given(st.lists(TREES, min_size=2, max_size=4))
@settings(max_examples=20, deadline=None)
def test_any_history_loses_nothing(trees: list[dict[str, str]]):
    with tempfile.TemporaryDirectory() as folder:
        repository = Repository(Path(folder))
        commits = [repository.commit(tree) for tree in trees]
        net = changed_between(repository.root, commits[0], commits[-1])
        steps = [changed_between(repository.root, *pair) for pair in pairwise(commits)]
    first, last = trees[0], trees[-1]
    assert net == tuple(sorted(path for path in first | last if first.get(path) != last.get(path)))
    assert set(net) <= {path for step in steps for path in step}


def test_a_project_in_a_folder_of_its_repository(repository: Repository):
    base = repository.commit({"shop/app/a": "1", "shopping/a": "1", "a": "1"})
    head = repository.commit({"shop/app/a": "2", "shopping/a": "2", "a": "2"})
    repository.checkout()
    changed = changed_between(repository.root / "shop", base, head)
    assert changed == ("../a", "../shopping/a", "app/a")
    found = classify(RULES, changed, base=base, head=head)
    assert found.unknown == ("../a", "../shopping/a") and found.runtime


def test_a_commit_that_is_not_here_or_no_commit_is_refused(repository: Repository, tmp_path: Path):
    base, head = repository.commit({"a": "1"}), repository.commit({"a": "2"})
    assert "unknown here" in refusal(repository.root, "1" * 40, head)
    assert "unknown here" in refusal(repository.root, base, "1" * 40)
    for odd in (base[:12], "HEAD", "main", "--all", base.upper(), ""):
        assert "40 hex" in refusal(repository.root, base, odd)
    tree = repository.git("rev-parse", f"{head}^{{tree}}")
    assert "is a tree" in refusal(repository.root, tree, head)
    shallow = Repository(tmp_path / "shallow")
    shallow.git("fetch", "-q", "--depth=1", f"file://{repository.root}", "main")
    assert "git fetch --unshallow" in refusal(shallow.root, base, head)
    assert changed_between(shallow.root, "", head) == ("a",)


def test_a_tree_that_is_missing_is_no_empty_answer(repository: Repository):
    base, head = repository.commit({"app/a": "1"}), repository.commit({"app/a": "2"})
    loose(repository)
    tree = repository.git("rev-parse", f"{head}:app")
    (repository.root / ".git/objects" / tree[:2] / tree[2:]).unlink()
    assert "git diff-tree failed" in refusal(repository.root, base, head)


def loose(repository: Repository) -> None:
    """Unpack every object, so that one of them can be removed."""
    for pack in list((repository.root / ".git/objects/pack").glob("*.pack")):
        objects = pack.read_bytes()
        pack.unlink()
        repository.git("unpack-objects", "-q", stdin=objects)
