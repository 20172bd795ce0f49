"""What the road, the actions and the facts get of a command's context: what they look at and act on, and no more.

`context.Context` is one. Below the commands and the stages nothing can open journals that nobody named, say what a
person asked for, or pack and publish: a type checker holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .checks.http import CheckResult
    from .config import Config
    from .journal.log import Log
    from .journal.sign import Signer, Trust
    from .journal.store import Store
    from .model import Paths, Verdict
    from .platforms.base import Platform


class Step(Protocol):
    """A step that is being shown. Call it to say what it is at."""

    def __call__(self, phrase: str) -> None:
        """Show what the step is doing now."""

    def fail(self, problem: object = True) -> None:
        """Mark the step as failed if there is a `problem`, where no exception ends it."""
        ...


class Reporter(Protocol):
    """Where people look while it goes on."""

    def step(self, text: str) -> AbstractContextManager[Step]:
        """Show a step while it lasts."""
        ...

    def line(self, text: str) -> None:
        """Show one line."""
        ...

    def fact(self, label: str, value: object) -> None:
        """Show a name with its value."""
        ...

    def verdicts(self, verdicts: Iterable[Verdict]) -> None:
        """Show what the guards say."""
        ...

    def checks(self, results: Iterable[CheckResult]) -> None:
        """Show what the checks found."""
        ...


class World(Protocol):
    """Configuration, platform, journals, clock and reporter. With `planning` nothing is changed."""

    planning: bool
    now: Callable[[], datetime]

    @property
    def config(self) -> Config:
        """The configuration, as release.toml declares it."""

    @property
    def target(self) -> str:
        """`sandbox` or `live`."""

    @property
    def paths(self) -> Paths:
        """The project's folders."""

    @property
    def artifacts(self) -> Path:
        """The folder of the contract's files, `.artifacts`."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The process environment, with `.env` below it."""

    @property
    def policy_files(self) -> Mapping[str, bytes]:
        """The files that judge a release, by path, with their bytes."""

    @property
    def platform(self) -> Platform:
        """The driver of the target's platform."""

    @property
    def store(self) -> Store:
        """Where the journals lie."""

    @property
    def shares_journal(self) -> bool:
        """Whether other machines can write the same journals."""

    @property
    def signer(self) -> Signer | None:
        """The key that signs entries; None when none is set."""

    @property
    def trust(self) -> Trust:
        """The keys that are trusted, and what each may sign."""

    @property
    def screen(self) -> Reporter:
        """Where progress is shown."""

    def log(self, place: str) -> Log:
        """The journal of an environment of the target, or of `package-<commit>`."""
        ...

    def changes(self, what: str) -> None:
        """Call this before the first change. Raises Planned with `what` when only planning."""
        ...

    def shown(self, path: Path) -> str:
        """A path as people see it: from the project's folder where it lies in it."""
        ...
