"""The folder `parity/` of a project: its cases, datasets, thresholds and baselines, found and read once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ..errors import UsageError
from . import baseline, cases, originals, stamp, strict, suites, thresholds
from .cases import Case
from .judge import Violation
from .originals import Adapter
from .suites import Suite
from .thresholds import Thresholds

FOLDER: Final = "parity"
DATASETS: Final = ("golden-dataset.json", "golden-positive.json", "golden-negative.json")
_NAME: Final = re.compile(r"baseline-(.+)\.json")


class Inputs(msgspec.Struct, frozen=True):
    """What a run asks and is held against. `problems` are what is wrong with the datasets, each with its file."""

    cases: tuple[Case, ...]
    adapters: Mapping[str, Adapter]
    suites: tuple[Suite, ...]
    limits: Thresholds
    dataset_version: str
    dataset_hash: str
    thresholds_hash: str
    problems: tuple[Violation, ...]


def read(root: Path) -> Inputs:
    """Everything that a run needs. Raises UsageError when there is nothing to ask, or a file cannot be read."""
    place = root / FOLDER
    limits, hashed = limits_of(place)
    named = suites.of_file(place / "config" / "suites.toml", "parity/config/suites.toml")
    found = [path for name in DATASETS if (path := place / "fixtures" / name).exists()]
    own = cases.of_folder(place / "cases")
    if not (found or own or named or list((place / "cases").glob("*.jsonl"))):
        raise UsageError("there is nothing to ask: parity/ has no cases, dataset or suite (docs/parity.md)")
    made, adapters, versions, hashes, problems = list(own), {}, [], {}, []
    if own:
        hashes["cases"] = _files(sorted((place / "cases").glob("*.jsonl")))
        versions.append("cases")
    for path in found:
        name = f"{FOLDER}/fixtures/{path.name}"
        how = originals.adapter(place / "config" / "adapter.toml", "parity/config/adapter.toml")
        try:
            dataset = originals.dataset(strict.text_of(path, name), how, limits)
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from error
        # The same document may stand in two datasets, once to pass and once to fail.
        several = [replace(one, id=f"{path.stem}/{one.id}") for one in dataset.cases]
        each = dataset.cases if len(found) == 1 else several
        made += each
        adapters.update({one.id: how for one in each})
        versions.append(dataset.version)
        hashes[path.name] = dataset.content_hash
        problems += [Violation("dataset", f"{name}: {problem}") for problem in dataset.problems]
    content = next(iter(hashes.values())) if len(hashes) == 1 else stamp.content_hash(hashes)
    version = "+".join(versions)
    return Inputs(cases.unique(made), adapters, named, limits, version, content, hashed, tuple(problems))


def limits_of(place: Path) -> tuple[Thresholds, str]:
    """The thresholds, and the hash of their content. Raises UsageError."""
    name = "parity/config/thresholds.json"
    path = place / "config" / "thresholds.json"
    return thresholds.of_file(path, name), stamp.of_text(strict.text_of(path, name))


def baselines(root: Path) -> dict[str, Path]:
    """The baselines by version, the oldest first; files with other names are none."""
    found = {}
    for path in (root / FOLDER / "baselines").glob("baseline-*.json"):
        version = _NAME.fullmatch(path.name)
        if version and re.match(strict.SEMVER, version[1]):
            found[version[1]] = path
    return dict(sorted(found.items(), key=lambda one: _order(one[0])))


def load_baseline(root: Path, version: str) -> Any:
    """One baseline, as it was made. Raises UsageError for one that is not there, or was edited."""
    path = baselines(root).get(version)
    if path is None:
        known = ", ".join(baselines(root)) or "there is none"
        raise UsageError(f"no baseline {version[:40]!r} in parity/baselines: {known}")
    value = strict.load(path, f"parity/baselines/{path.name}")
    if wrong := baseline.problem(value):
        raise UsageError(f"parity/baselines/{path.name}: {wrong}")
    if value["version"] != version:
        raise UsageError(f"parity/baselines/{path.name} is of version {value['version']!r}")
    return value


def _order(version: str) -> tuple[Any, ...]:
    """By the numbers; a pre-release stands before its release."""
    core, _, pre = version.partition("-")
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")] if pre else []
    return (*map(int, core.split(".")), not pre, parts)


def _files(paths: list[Path]) -> str:
    made = hashlib.sha256()
    for path in paths:
        made.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return "sha256:" + made.hexdigest()
