"""What changes an environment: one file per action: a pure `plan`, a `confirm` that looks again, and `ACTION`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..action import Action

NAMES: Final = ("deploy", "migrate", "rollback", "config", "certify", "adopt", "complete")


def named(name: str) -> Action:
    """The action of that name, imported when it is needed."""
    action: Action = import_module(f".{name}", __name__).ACTION
    return action
