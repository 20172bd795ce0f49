"""The team's rules are run from the very bytes that are compared; without them there is one line and no road."""

import py_compile
from pathlib import Path

import pytest

from roadworthy import guard
from roadworthy.errors import UsageError

INIT = 'from .one import one\nGUARDS = {"deploy": (one,)}\nEXIT_CODES = {"one": 42}\n'
ONE = 'def one(plan, facts):\n    """It holds."""\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "guards").mkdir()
    (tmp_path / "guards" / "__init__.py").write_text(INIT)
    (tmp_path / "guards" / "one.py").write_text(ONE)
    return tmp_path


def test_each_project_has_its_own_rules_also_in_one_process(
    root: Path, tmp_path_factory: pytest.TempPathFactory
):
    ((one, code),) = guard.load(root, "deploy")
    assert (guard.rule_of(one), code) == ("It holds.", 42)
    other = tmp_path_factory.mktemp("other")
    (other / "guards").mkdir()
    (other / "guards" / "__init__.py").write_text(INIT)
    (other / "guards" / "one.py").write_text(ONE.replace("It holds", "Another"))
    assert [guard.rule_of(one) for one, _ in guard.load(other, "deploy")] == ["Another."]
    assert [guard.rule_of(one) for one, _ in guard.load(root, "deploy")] == ["It holds."]
    (root / "guards" / "one.py").write_text(ONE.replace("It holds", "It changed"))
    assert [guard.rule_of(one) for one, _ in guard.load(root, "deploy")] == ["It changed."]


def test_only_a_source_of_the_project_is_run(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    forged = tmp_path / "forged.py"
    forged.write_text("raise SystemExit('it was run')\n")
    compiled = root / "guards" / "__pycache__" / "one.cpython-311.pyc"
    compiled.parent.mkdir()
    py_compile.compile(
        str(forged), str(compiled), invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
    elsewhere = tmp_path / "elsewhere" / "guards"
    elsewhere.mkdir(parents=True)
    (elsewhere / "__init__.py").write_text("raise SystemExit('it was run')\n")
    monkeypatch.syspath_prepend(str(elsewhere.parent))
    assert [guard.rule_of(one) for one, _ in guard.load(root, "deploy")] == ["It holds."]
    (root / "guards" / "__init__.py").write_text("from .library import one\n")
    (root / "guards" / "library.so").write_bytes(b"\x7fELF")
    with pytest.raises(UsageError, match=r"there is no guards/library\.py"):
        guard.load(root, "deploy")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "__init__.py",
            None,
            r"guards/__init__\.py is missing, and with it every rule of this project: git ",
        ),
        (
            "one.py",
            None,
            r"guards/__init__\.py:1 cannot be imported: ModuleNotFoundError: there is no guards/one",
        ),
        ("one.py", "", r"guards/__init__\.py:1 cannot be imported: ImportError: cannot import name 'one'"),
        ("one.py", "def one(:", r"one\.py:1 of guards/ cannot be imported: SyntaxError: "),
        (
            "one.py",
            "\n\n1 / 0\n",
            r"guards/one\.py:3 cannot be imported: ZeroDivisionError: division by zero",
        ),
        ("one.py", "raise ValueError('a\\nb')", r"guards/one\.py:1 cannot be imported: ValueError: a$"),
        ("one.py", "x = '\0'", r"cannot be imported: "),
        ("__init__.py", "", r"guards/__init__\.py has no GUARDS and EXIT_CODES, so there are no rules: git "),
        ("__init__.py", "GUARDS = EXIT_CODES = ()", r"has no GUARDS and EXIT_CODES"),
        (
            "__init__.py",
            "EXIT_CODES = {}\nGUARDS = {'deploy': 'one'}",
            r"GUARDS\['deploy'\] is no tuple of guards",
        ),
        ("__init__.py", "EXIT_CODES = {}\nGUARDS = {'deploy': ('one',)}", r"is no tuple of guards"),
    ],
)
def test_rules_that_are_not_there_are_one_line(root: Path, name: str, text: str | None, said: str):
    path = root / "guards" / name
    path.unlink()
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        guard.load(root, "deploy")
    assert "\n" not in str(error.value)


def test_a_folder_that_is_gone_a_pipe_and_a_huge_file_are_one_line_too(root: Path):
    import os

    one = root / "guards" / "one.py"
    one.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(UsageError, match=r"guards/one\.py is longer than 1048576 bytes"):
        guard.load(root, "deploy")
    one.unlink()
    os.mkfifo(one)
    with pytest.raises(UsageError, match=r"guards/one\.py is no file"):
        guard.load(root, "deploy")
    one.unlink()
    (root / "guards" / "__init__.py").unlink()
    (root / "guards").rmdir()
    with pytest.raises(UsageError, match=r"guards/__init__\.py is missing"):
        guard.load(root, "deploy")
