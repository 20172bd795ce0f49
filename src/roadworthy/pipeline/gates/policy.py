"""The policy gate: the required files, the thresholds, the datasets and the workflows, each read and judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ...errors import UsageError
from ...files import read_file
from ...parity import folder
from .workflows import problems as of_workflow

WORKFLOWS: Final = Path(".github/workflows")
ACTIONS: Final = Path(".github/actions")
REQUIRED: Final = ("ci.yml", "policy-check.yml", "parity.yml")
LIMIT: Final = 1 << 20


def problems(root: Path) -> tuple[str, ...]:
    """What stands against a promotion by the files of a project; nothing when all is well."""
    return (*_workflows(root), *_parity(root))


def _workflows(root: Path) -> Iterator[str]:
    for name in REQUIRED:
        if not (root / WORKFLOWS / name).is_file():
            yield f"{WORKFLOWS / name} is missing"
    actions = {
        f"./{path.parent.relative_to(root)}": path
        for kind in ("action.yml", "action.yaml")
        for path in sorted((root / ACTIONS).glob(f"**/{kind}"))
    }
    local = {name: _text(path) for name, path in actions.items()}
    for name, path in actions.items():
        yield from of_workflow(str(path.relative_to(root)), local[name], local)
    for path in sorted((root / WORKFLOWS).glob("*")):
        if path.suffix in (".yml", ".yaml"):
            yield from of_workflow(str(path.relative_to(root)), _text(path), local)


def _parity(root: Path) -> Iterator[str]:
    try:
        inputs = folder.read(root)
    except UsageError as error:
        yield str(error)
        return
    yield from (one.message for one in inputs.problems)
    if not (inputs.cases or inputs.problems):
        yield "parity has no case: its datasets are empty"


def _text(path: Path) -> str:
    return read_file(path, LIMIT).decode("utf-8", "replace")
