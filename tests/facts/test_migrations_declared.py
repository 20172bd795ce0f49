"""Migrations are what their files declare as literals, and follow each other as Alembic would walk them."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from hypothesis import given, settings
from hypothesis import strategies as st
from packages.repository import Repository

from roadworthy.errors import UsageError
from roadworthy.facts.migrations import Migration, Migrations, migrations_at, read_migrations


def one(revision: str, *parents: str, file: str = "") -> Migration:
    return Migration(revision, parents, "expand", True, file or f"{revision}.py")


def chain(*migrations: Migration) -> Migrations:
    return Migrations(migrations)


def revisions(migrations: tuple[Migration, ...]) -> list[str]:
    return [migration.revision for migration in migrations]


# ---- files -----------------------------------------------------------------------------------------------


def test_declarations_are_read_without_running_the_file() -> None:
    source = b'''"""Doc."""
from alembic import op
raise SystemExit("never run")
revision: str = "b2"
down_revision = ("a1", "a2")
depends_on = None
safe_under: str = "contract"
code_first = False

def upgrade():
    revision = "a local of its own"
    print("\\d")
'''
    (read,) = read_migrations({"v/b2_x.py": source, "v/__init__.py": b"(", "v/notes.txt": b"("}).all
    assert read == Migration("b2", ("a1", "a2"), "contract", False, "v/b2_x.py", "Doc.")


def test_what_is_not_declared_stays_undeclared() -> None:
    (read,) = read_migrations({"a.py": b"revision = 'a'\ndown_revision = None\n"}).all
    assert read == Migration("a", (), "", None, "a.py")


HEAD = "revision = 'a'\ndown_revision = None\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("", "a.py:1: revision must be a string"),
        ("x = 1\nrevision = 7\n", "a.py:2: revision must be"),
        ("revision = 'a b'\n", "a.py:1: revision must be"),
        ("revision = 'a\\n'\n", "a.py:1: revision must be"),
        ("revision: str\n", "a.py:1: revision must be"),
        ("revision = make()\n", "a.py:1: revision must be set once, to a plain literal"),
        ("revision = 'a' + 'b'\n", "a.py:1: revision must be set once"),
        ("revision = f'a'\n", "a.py:1: revision must be set once"),
        (HEAD + "revision = 'b'\n", "a.py:3: revision must be set once"),
        ("if True:\n    revision = 'a'\n", "a.py:1: revision must be set once"),
        ("from x import y as revision\n", "a.py:1: revision must be set once"),
        ("def revision(): ...\n", "a.py:1: revision must be set once"),
        (
            HEAD + "def f():\n    global safe_under\n    safe_under = 'expand'\n",
            "a.py:3: safe_under must be set once",
        ),
        (HEAD + "safe_under = 'contract'\nsafe_under += ''\n", "a.py:4: safe_under must be set once"),
        (HEAD + "x = [safe_under := 'expand']\n", "a.py:3: safe_under must be set once"),
        (
            HEAD + "safe_under = 'Expand'\n",
            "a.py:3: safe_under must be one of expand, contract, irreversible",
        ),
        (HEAD + "safe_under = None\n", "a.py:3: safe_under must be one of"),
        (HEAD + "safe_under, code_first = 'expand', True\n", "a.py:3: safe_under must be one of"),
        (HEAD + "code_first = 1\n", "a.py:3: code_first must be True or False"),
        (HEAD + "code_first = not True\n", "a.py:3: code_first must be set once"),
        (HEAD + "depends_on = 'b'\n", "a.py:3: depends_on must be None"),
        ("revision = 'a'\ndown_revision = 3\n", "a.py:2: down_revision must be None, a revision"),
        ("revision = 'a'\ndown_revision = ('b', None)\n", "a.py:2: down_revision must be"),
        ("revision = 'a'\n\n  indented\n", "a.py:3: no readable Python"),
        ("revision = 'a'\0", "a.py:1: no readable Python"),
        ("x = " + "(" * 500 + ")" * 500, "a.py:1: no readable Python"),
        ("#" * (1 << 20) + "\n", "bytes are more than a migration may have"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(source: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_migrations({"a.py": source.encode()})
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


# ---- graphs ----------------------------------------------------------------------------------------------


def test_pending_is_what_leads_to_the_single_head() -> None:
    three = chain(one("c", "b"), one("a"), one("b", "a"))
    assert three.heads() == ("c",)
    assert revisions(three.pending(None)) == ["a", "b", "c"]
    assert revisions(three.pending("a")) == ["b", "c"]
    assert three.pending("c") == ()
    assert revisions(three.between("a", "b")) == ["b"]
    assert revisions(three.between(None, "b")) == ["a", "b"]
    assert three.between("b", "b") == ()


def test_a_package_without_migrations_has_nothing_pending() -> None:
    assert chain().heads() == chain().pending(None) == ()
    with pytest.raises(UsageError, match="'a' is in no migration of the package"):
        chain().pending("a")


def test_branches_meet_in_a_merge() -> None:
    merged = chain(one("a"), one("b1", "a"), one("b2", "a"), one("m", "b1", "b2"))
    assert revisions(merged.pending("b2")) == ["b1", "m"]
    assert revisions(merged.between("a", "m")) == ["b1", "b2", "m"]
    with pytest.raises(UsageError, match="no migrations lead up from revision b1 to b2"):
        merged.between("b1", "b2")
    with pytest.raises(UsageError, match="no migrations lead up from revision m to a"):
        merged.between("m", "a")


def test_several_heads_are_named() -> None:
    split = chain(one("a"), one("b1", "a"), one("b2", "a"))
    assert split.heads() == ("b1", "b2")
    with pytest.raises(UsageError, match=r"2 heads \(b1, b2\): merge them"):
        split.pending("a")


@pytest.mark.parametrize(
    ("graph", "says"),
    [
        (chain(one("a"), one("b", "x")), "b.py follows x, which is not in the package"),
        (chain(one("a", "a")), "in a circle among a"),
        (chain(one("a", "c"), one("b", "a"), one("c", "b")), "in a circle among a, b, c"),
        (chain(one("a"), one("b", "a", "c"), one("c", "b"), one("z", "a")), "in a circle among b, c"),
        (chain(one("a", file="1.py"), one("a", file="2.py")), "revision a is in 1.py and in 2.py"),
    ],
)
def test_a_graph_that_cannot_be_walked_says_why(graph: Migrations, says: str) -> None:
    for ask in (graph.heads, lambda: graph.pending(None), lambda: graph.between(None, "a")):
        with pytest.raises(UsageError, match=says):
            ask()


def test_an_unknown_current_revision_is_named() -> None:
    with pytest.raises(UsageError, match="schema revision 'gone' is in no migration"):
        chain(one("a")).pending("gone")
    with pytest.raises(UsageError, match="schema revision 'gone' is in no migration"):
        chain(one("a")).between("a", "gone")


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Revisions with parents among those before them: chains, branches, merges, several roots."""
    names = draw(st.lists(st.text("abc012_", min_size=4, max_size=6), min_size=1, max_size=9, unique=True))
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:at]), max_size=2, unique=True))) if at else ()
        for at, name in enumerate(names)
    }


@settings(max_examples=25, deadline=None)
@given(graph=graphs())
def test_heads_and_pending_agree_with_alembic(
    tmp_path_factory: pytest.TempPathFactory, graph: dict[str, tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("alembic")
    (root / "versions").mkdir()
    for name, parents in graph.items():
        source = f"revision = {name!r}\ndown_revision = {parents or None!r}\n"
        (root / f"versions/{name}.py").write_text(source)
    ours = read_migrations({path.name: path.read_bytes() for path in (root / "versions").iterdir()})
    config = Config()
    config.set_main_option("script_location", str(root))
    config.set_main_option("path_separator", "os")
    theirs = ScriptDirectory.from_config(config)
    assert ours.heads() == tuple(sorted(theirs.get_heads()))
    if len(ours.heads()) == 1:
        (head,) = ours.heads()
        for current in (None, *graph):
            expected = {script.revision for script in theirs.iterate_revisions(head, current or "base")}
            mine = revisions(ours.pending(current))
            if current is None:
                assert set(mine) == expected
            assert expected <= set(mine)
            assert all(
                graph[name][i] in mine[:at]
                for at, name in enumerate(mine)
                for i in range(len(graph[name]))
                if graph[name][i] in mine
            )


# ---- from git --------------------------------------------------------------------------------------------


def test_migrations_are_read_at_a_commit_not_from_the_working_tree(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    folder = "app/migrations/versions"
    files = {
        f"{folder}/a.py": "revision = 'a'\ndown_revision = None\nsafe_under = 'expand'\n",
        f"{folder}/b.py": "revision = 'b'\ndown_revision = 'a'\nsafe_under = 'irreversible'\n",
        f"{folder}/__init__.py": "",
        f"{folder}/old/c.py": "not read",
        f"{folder}/README": "not read",
    }
    first = repository.commit(files)
    second = repository.commit({**files, f"{folder}/b.py": "revision = ("})
    found = migrations_at(tmp_path, first, folder)
    assert [(m.revision, m.safe_under, m.file) for m in found.pending(None)] == [
        ("a", "expand", f"{folder}/a.py"),
        ("b", "irreversible", f"{folder}/b.py"),
    ]
    with pytest.raises(UsageError, match=f"{folder}/b.py:1: no readable Python"):
        migrations_at(tmp_path, second, folder)
    with pytest.raises(UsageError, match="no folder 'app/nowhere'"):
        migrations_at(tmp_path, first, "app/nowhere")
    third = repository.commit({"x": ""}, links={f"{folder}/a.py": "/etc/passwd"})
    with pytest.raises(UsageError, match="is no file: a migration must be one"):
        migrations_at(tmp_path, third, folder)


# ---- what a newer package has applied --------------------------------------------------------------------


def test_what_is_applied_beyond_the_head_is_later_and_leaves_nothing_pending() -> None:
    own = chain(one("1"), one("2", "1"))
    newer = chain(one("1"), one("2", "1"), one("3", "2"), one("4", "3"), one("5", "4"))
    behind = own.followed_by(newer, "4")
    assert revisions(behind.later) == ["3", "4"]
    assert behind.pending("4") == ()
    assert behind.heads() == ("2",)
    assert revisions(behind.pending("1")) == ["2"], "of another revision it says what it always did"
    for unknown in ("3", "5"):
        with pytest.raises(UsageError, match=f"revision '{unknown}' is in no migration of the package"):
            behind.pending(unknown)


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (chain(one("1"), one("2b", "1")), "4 is applied, .* does not follow its head 2b"),
        (chain(one("1"), one("2", "1"), one("3b", "2")), "4 is applied, .* does not follow its head 3b"),
        (chain(one("1"), one("5", "1")), "no migrations lead up from revision 5 to 4"),
    ],
)
def test_what_is_applied_on_another_branch_is_not_later(own: Migrations, says: str) -> None:
    newer = chain(one("1"), one("2", "1"), one("3", "2"), one("4", "3"), one("5", "4"))
    with pytest.raises(UsageError, match=says):
        own.followed_by(newer, "4")


def test_a_package_without_one_head_is_for_a_guard_to_refuse() -> None:
    newer = chain(one("1"), one("2", "1"))
    for own in (chain(), chain(one("1"), one("1b"))):
        assert own.followed_by(newer, "2") == own


@pytest.mark.parametrize("current", [None, "7"])
def test_a_project_without_migrations_has_none_pending_wherever_a_database_is(current: str | None) -> None:
    assert Migrations((), none=True).pending(current) == ()
