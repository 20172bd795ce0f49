"""Every way to stop, each with the exit code a caller sees (architecture §9).

A boundary (HTTP, git, the platform, the store) lets only these out, chained to what it caught, so one
context manager in `tasks.py` can turn any of them into one line and the right code. A message says what
is wrong, where, and what to do; it never carries a secret.
"""

from __future__ import annotations

from typing import Self


class RoadworthyError(Exception):
    """What every error of this package is: `code` is the exit code, `next` the commands that lead on, in order."""

    code = 1
    next: tuple[str, ...] = ()

    def then(self, *commands: str) -> Self:
        """This error with its next commands, where it knows them better than `what_next.py` does."""
        self.next = commands
        return self


class Planned(Exception):
    """No error: with `--plan` a command ends before the first change that it would make; the text says which.

    It is no RoadworthyError, so that nothing that forgives those goes on after it.
    """


class CheckFailed(RoadworthyError):
    """A check of a running system failed, or a release did not come up."""

    code = 1


class Unreachable(CheckFailed):
    """A platform gave no usable answer to a read, after retries: nobody can tell what is so."""


class UsageError(RoadworthyError):
    """The command, the configuration or the repository is not fit for what was asked."""

    code = 2


class NoPackage(UsageError):
    """No package is there that the action could be about: nothing was deployed, or nothing to go back to."""


class Refused(RoadworthyError):
    """One or more guards refused; `code` is 2 when production is locked, 42 for deploy_guard, else 3."""

    code = 3

    def __init__(self, message: str, code: int = 3) -> None:
        super().__init__(message)
        self.code = code


class OutcomeUnknown(RoadworthyError):
    """Something may or may not have happened. Look at the platform, then `invoke reconcile`."""

    code = 4


class Held(RoadworthyError):
    """Another release holds the environment."""

    code = 5


class Superseded(RoadworthyError):
    """A newer commit was deployed, or decided on, before this one had its turn; nothing was changed."""

    code = 6


class Overtaken(Held):
    """Somebody acted while this was being decided; nothing was done, so it may be decided anew."""
