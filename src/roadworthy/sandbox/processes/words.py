"""What a platform calls things before its apps and in its log: the processes are the same on every one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .trace import Trace


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one platform."""

    name: str
    """The variable that tells a process the name of its instance."""
    id: str
    """The variable that tells it the id of this life of its instance; everything it starts inherits it."""
    request: Callable[[Trace], str]
    """The line that the router logs of a request."""
