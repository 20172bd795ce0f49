"""The journal stands on the small modules alone, so it can be read, and used, without what is above it."""

import ast
from pathlib import Path

import pytest

import roadworthy.journal

BELOW = {
    "compatibility",
    "errors",
    "files",
    "mask",
    "retry",
    "http",
    "toml",
    "model",
    "config",
    "__version__",
}
MODULES = sorted(Path(roadworthy.journal.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_it_imports_itself_and_what_is_below(module: Path):
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 2:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            assert {name.partition(".")[0] for name in names} <= BELOW
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("roadworthy"), "imports are relative"
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("roadworthy") for alias in node.names)
