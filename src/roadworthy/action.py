"""What an action is, as data: its file in `actions/` declares one, and nobody else knows it by name."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from .config import Config
    from .model import Confirmation, Facts, Plan, Receipt, Request
    from .world import World


class Takes(Enum):
    """Which package an action is about."""

    COMMIT = "that of the commit that is asked for; a newer one supersedes it"
    TARGET = "the one to go back to"
    RUNNING = "the one that should run, by the journal"
    FOUND = "the one that the platform is seen to run"


class Effect(Enum):
    """What an action changes, and so how it is recognised when nobody saw its end."""

    NOTHING = "nothing: who looks again sees the same"
    RELEASES = "the platform: releases that carry the start's mark"
    DATABASE = "the database: its revision"


class Undo(msgspec.Struct, frozen=True):
    """What takes a failed action back: a request like any other, and the words for it."""

    request: Request
    doing: str
    done: str
    undoing: str
    by_hand: str


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action: what it would do, how it is recognised afterwards, and all that others have to know of it.

    `stage` is the contract's, under which its entries are signed. `plan` is pure; `confirm` looks again. `prepare`
    makes ready before the facts are read, which only read. `undo` says what takes it back when it failed, by the
    action `undone_by`; None where there is nothing to go back to. `left` is what it leaves to be done or said, as
    the end of its last line.
    """

    name: str
    stage: str
    plan: Callable[[Request, Facts, Config], Plan]
    confirm: Callable[[World, Plan, tuple[Receipt, ...]], Confirmation]
    takes: Takes = Takes.RUNNING
    effect: Effect = Effect.NOTHING
    prepare: Callable[[World, str], object] | None = None
    undo: Callable[[Plan, Facts], Undo | None] | None = None
    undone_by: str = ""
    left: Callable[[Plan], str] = lambda plan: ""
    asks_database: bool = True  # its plan depends on the revision
    reads_vars: bool = False  # its plan depends on the config vars
    of_ship: bool = False  # a ship goes through it: what comes next is what is left of its commit
    own_migrations: bool = False  # it runs those of its own package, whatever else the database knows
    bounded: bool = False  # it fails when it took longer than limits.rollback
    opens_production: bool = False  # its proof lets production take the package
    again: str = ""  # what to say of one that was cut off, whose proof it has to see itself
    lost: str = ""  # what a person must do of one that was cut off, for the journal cannot tell
