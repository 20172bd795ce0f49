"""Ask every guard, report every answer.

A guard is a pure function of a plan and the facts, in a file of its own in the team's `guards/` folder. It
returns nothing when its rule holds, a reason when it refuses, or raises `NotApplicable(why)`. Doubt refuses:
a missing fact, a crash inside a guard, or production without guards.
"""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from .errors import RoadworthyError
from .model import Fact, Facts, Plan, Verdict

if TYPE_CHECKING:
    from .world import World

NOT_ASKED: Final = "not asked"
"""The outcome of a guard that finds nothing wrong, and saw in the place of a fact what is known of before."""
DOUBT: Final = "cannot tell"
"""How the reason of a guard begins that refuses because a fact is missing."""
Guard = Callable[[Plan, Facts], str | None]


class NotApplicable(Exception):
    """The rule says nothing about this plan; the text says why."""


def load(root: Path, action: str, files: Mapping[str, bytes] | None = None) -> tuple[tuple[Guard, int], ...]:
    """The guards of an action, in the order of `guards/__init__.py`, each with its refusal's exit code.

    `files` are the policy's files where they were read already. Raises UsageError when the guards are not there or
    cannot be imported.
    """
    from .guard_loader import guards_of
    from .policy_files import read_files

    return tuple(guards_of(root, read_files(root, b"") if files is None else files, action))


def judge(context: World, plan: Plan, facts: Facts) -> tuple[Verdict, ...]:
    """Every verdict on a plan: whether its rules are a commit's, and what each of them says. Raises UsageError."""
    from .facts.policy import verdicts

    guards = load(context.paths.root, plan.request.action, context.policy_files)
    return (*verdicts(facts.policy, plan.request), *evaluate(guards, plan, facts))


def evaluate(guards: Sequence[tuple[Guard, int]], plan: Plan, facts: Facts) -> tuple[Verdict, ...]:
    """Ask all guards, in order; none is skipped because another refused."""
    if not guards and facts.environment.production:
        rule = "production has guards"
        return (Verdict("guards", "refuse", f"no guard is declared for {plan.request.action}", rule, ""),)
    return tuple(_ask(guard, code, plan, facts) for guard, code in guards)


def _ask(guard: Guard, code: int, plan: Plan, facts: Facts) -> Verdict:
    reads: list[str] = []
    noted: dict[str, Any] = {
        name: dataclasses.replace(fact, reads=reads)
        for name in facts.__struct_fields__
        if isinstance(fact := getattr(facts, name), Fact)
    }
    watched = replace(facts, **noted)
    try:
        reason = guard(plan, watched)
        assumed = next((fact.assumed for fact in noted.values() if fact.assumed and fact.name in reads), "")
        outcome = "refuse" if reason else NOT_ASKED if assumed else "pass"
        reason = f"{reason} ({assumed})" if reason and assumed else reason or assumed
    except NotApplicable as why:
        outcome, reason = "n/a", str(why)
    except RoadworthyError as error:  # a missing fact, or one that makes no sense
        outcome, reason = "refuse", f"{DOUBT}: {error}"
    except Exception as error:  # noqa: BLE001 - a guard that crashes must refuse, whatever it raised
        outcome, reason = "refuse", f"the guard itself failed: {type(error).__name__}: {error}"
    return Verdict(guard.__name__, outcome, reason or "", rule_of(guard), _digest(guard), tuple(reads), code)


def rule_of(guard: Guard) -> str:
    """The rule in one line: the first of the guard's docstring."""
    return (guard.__doc__ or guard.__name__).strip().splitlines()[0]


def refusals(verdicts: Sequence[Verdict]) -> tuple[Verdict, ...]:
    """The verdicts that stop the plan."""
    return tuple(v for v in verdicts if v.outcome == "refuse")


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """The exit code of a refusal: a locked production (2) before deploy_guard (42) before any other (3)."""
    codes = {v.code for v in refusals(verdicts)}
    return next((code for code in (2, 42, 3) if code in codes), 3)


def _digest(guard: Guard) -> str:
    file = sys.modules[guard.__module__].__file__
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""
