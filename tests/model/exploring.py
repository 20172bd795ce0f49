"""Try every order of every step, breadth first, so that the first trace found is a shortest one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from .promises import broken
from .steps import Model
from .world import Command, World, first, open_start


class Explored(NamedTuple):
    """All worlds, each with the one before it and the step; for each broken promise its shortest trace."""

    worlds: Mapping[World, tuple[World, str] | None]
    broken: Mapping[str, tuple[str, ...]]

    def lengths(self) -> dict[str, int]:
        return {promise: len(trace) for promise, trace in self.broken.items()}


def explore(model: Model, *, until: str = "") -> Explored:
    """Every world that can be reached. With `until`, stop at the first that breaks this promise."""
    begin = first(model.family)
    worlds: dict[World, tuple[World, str] | None] = {begin: None}
    waiting, found = deque([begin]), dict[str, World]()
    while waiting:
        world = waiting.popleft()
        for promise in broken(world, model):
            found.setdefault(promise, world)
        if until and until in found:
            break
        for said, after in model.next(world):
            if after not in worlds:
                worlds[after] = (world, said)
                waiting.append(after)
    return Explored(worlds, {promise: _trace(worlds, world) for promise, world in found.items()})


def _trace(worlds: Mapping[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps: list[str] = []
    while came := worlds[world]:
        world, said = came
        steps.append(said)
    return tuple(reversed(steps))


def locked_out(model: Model, explored: Explored) -> list[World]:
    """I5: the worlds whose open start neither its holder nor a reconcile ever settles."""
    only_ends = model.family._replace(
        commands=(Command("reconcile"),), crashes=0, copies=0, sessions=99, unlocks=0
    )
    ending = Model(model.rules, only_ends)
    good: set[World] = set()
    return [one for one in explored.worlds if open_start(one.journal) and not _ends(ending, one, good)]


def _ends(model: Model, world: World, good: set[World]) -> bool:
    """Whether a world without an open start can be reached; those from which it can are kept in `good`."""
    waiting, seen = deque([world]), {world}
    while waiting:
        one = waiting.popleft()
        if one in good or not open_start(one.journal):
            good.add(world)
            return True
        for _, after in model.next(one):
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    return False
