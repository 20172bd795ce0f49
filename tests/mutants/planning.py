"""Which mutants are tried, and with which tests: those that reach its lines, the quick and likely ones first."""

from __future__ import annotations

import hashlib
import json
import math
import re
import subprocess
import tomllib
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from .operators import WEIGHTS, Mutant, compiles, mutants

ACCEPTED = Path(__file__).with_name("accepted.toml")
_SOURCE = Path("src", "roadworthy")
_DECIDING = {
    ".": ("guard", "keys", "record", "spans"),
    "actions": ("adopt", "certify", "deploy", "migrate", "rollback"),
    "commands": ("adopt", "certify", "reconcile"),
    "execution": ("holding", "reconcile", "recover", "run", "turn"),
    "packages": ("manifest",),
    "decision": ("commit_stage", "contract_files", "decide", "progress", "times"),
    "pipeline": ("accept", "accept_migrations", "complete", "ship"),
    "facts": (
        *("drift", "standing", "history", "scope", "github", "migrations", "observe", "schema"),
        *("newer", "policy", "revision", "weaker"),
    ),
    "checks": ("http", "logs", "degradation", "literals", "rounds"),
    "trial": ("starting",),
    "journal": ("chain", "lock", "policy", "sign", "entry", "audit*"),
}
BUDGET = 30.0  # seconds of tests for one mutant
SET_UP = 0.15  # seconds that reading one more file of tests takes


def deciding(root: Path) -> list[str]:
    """The files whose mistakes would let through what must be refused."""
    found = [p for p in root.glob("guards/*.py") if p.name != "__init__.py"]
    for folder, names in _DECIDING.items():
        for name in names:
            of_name = list(root.glob(str(_SOURCE / folder / f"{name}.py")))
            assert of_name, f"{folder}/{name}.py is gone: correct planning._DECIDING"
            found += of_name
    return sorted(str(p.relative_to(root)) for p in found)


def draw(
    root: Path, files: Iterable[str], size: int, seed: str, lines: dict[str, set[int]] | None
) -> list[Mutant]:
    """`size` mutants of these files, or of these `lines` of them; the same ones as long as the code is the same.

    Each mutant's place comes from its own name and the seed, so that a change elsewhere does not move it.
    """
    every = [m for file in files for m in mutants(root, file)]
    if lines is not None:
        every = [m for m in every if set(range(m.lines[0], m.lines[1] + 1)) & lines.get(m.file, set())]
    chosen: list[Mutant] = []
    for mutant in sorted(every, key=lambda m: _place(m, seed)):
        if len(chosen) == size:
            break
        if compiles(mutant, (root / mutant.file).read_bytes()):
            chosen.append(mutant)
    return chosen


def _place(mutant: Mutant, seed: str) -> float:
    drawn = int.from_bytes(hashlib.sha256(f"{seed}{mutant.id}".encode()).digest()[:8]) + 1
    return -math.log(drawn / (2**64 + 1)) / WEIGHTS[mutant.kind]


def changed_lines(root: Path, since: str) -> dict[str, set[int]]:
    """The lines that differ from a commit, by file."""
    words = ("git", "diff", "--unified=0", "--no-color", "--no-ext-diff", since, "--", "src", "guards")
    found: dict[str, set[int]] = defaultdict(set)
    name = ""
    for line in subprocess.run(
        words, cwd=root, capture_output=True, text=True, check=True
    ).stdout.splitlines():
        if line.startswith("+++ "):
            name = line.removeprefix("+++ b/")
        elif hunk := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            found[name] |= set(range(first, first + count))
    return found


def accepted() -> dict[str, str]:
    """Why each survivor that was looked at may survive, by the mutant's id."""
    return {one["id"]: one["why"] for one in tomllib.loads(ACCEPTED.read_text())["accepted"]}


@dataclass
class Reached:
    """What the tests reach: by file and line, the numbers of tests; and what each test takes."""

    tests: list[str] = field(default_factory=list)
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    @classmethod
    def read(cls, folder: Path) -> Reached:
        """Put together what each process has written."""
        reached = cls()
        told = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        for process in told:
            for test, its in process["tests"].items():
                if its["passed"]:
                    reached.seconds[test] = (its["setup"], its["call"])
        for process in told:
            for test, files in process["lines"].items():
                for file, lines in files.items():
                    for line in lines if test in reached.seconds else ():
                        reached.lines[file][line].add(test)
        return reached

    def of(self, mutant: Mutant) -> set[str]:
        """The tests that reach the mutant; what is outside of functions is reached by all that import the file."""
        lines = self.lines.get(mutant.file, {})
        if not mutant.in_function:
            return set().union(*lines.values())
        found = set().union(*(lines.get(n, set()) for n in range(mutant.lines[0], mutant.lines[1] + 1)))
        # Python jumps over a `continue` without a trace.
        return found or (
            lines.get(mutant.lines[0] - 1, set()) if mutant.old in ("break", "continue") else found
        )

    def order(self, mutant: Mutant, budget: float = BUDGET) -> list[str]:
        """The tests to try, in order: file by file, those first that are quick and named like the mutant's file."""
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self.of(mutant):
            by_file[test.partition("::")[0]].append(test)
        for tests in by_file.values():
            tests.sort(key=lambda t: (self.seconds[t][1], t))

        def first(file: str) -> float:
            set_up = SET_UP + max(self.seconds[t][0] for t in by_file[file])
            return _distance(mutant.file, file) * (set_up + self.seconds[by_file[file][0]][1])

        chosen, left = [], budget
        for file in sorted(by_file, key=lambda f: (first(f), f)):
            left -= SET_UP + max(self.seconds[t][0] for t in by_file[file])
            for test in by_file[file]:
                left -= self.seconds[test][1]
                if left < 0 and chosen:
                    return chosen
                chosen.append(test)
        return chosen


def _distance(file: str, test: str) -> float:
    if Path(test).stem == f"test_{Path(file).stem}":
        return 0.2
    return 0.5 if Path(file).parent.name in Path(test).parts else 1.0


def digest(root: Path, names: Collection[str]) -> str:
    """Of what the map of reached lines depends on."""
    state = hashlib.sha256()
    for name in sorted(names):
        if (root / name).is_file():
            state.update(f"{name}\0".encode() + hashlib.sha256((root / name).read_bytes()).digest())
    return state.hexdigest()
