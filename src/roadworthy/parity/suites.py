"""Other people's suites as runners: any command with an exit code and a report in JUnit XML or JSON Lines.

`parity/config/suites.toml` names them. Each of a suite's cases becomes a case with one field, `result`. What the
report does not say is not believed: no case, one that was skipped, or an exit code that says otherwise fails.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal
from xml.etree import ElementTree

import msgspec
from msgspec import Meta

from ..errors import UsageError
from . import strict
from .cases import Severity
from .compare import CaseResult, FieldResult, Verdict

PASSED: Final = "passed"
REPORT: Final = "{report}"  # in a command: where its report goes
URL: Final = "PARITY_URL"  # the variable with the candidate's address
_STATES: Final = {"failure": "failed", "error": "error", "skipped": "skipped"}


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One suite: `files` are what it consists of (paths or globs of the project), `env` the variables it may see.

    `within` is in seconds. Its cases count with `severity` and as of document type `type`.
    """

    name: Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,39}\Z")]
    command: Annotated[str, Meta(min_length=1)]
    report: Literal["junit", "jsonl"]
    files: Annotated[tuple[str, ...], Meta(min_length=1)]
    within: Annotated[int, Meta(ge=1, le=86400)] = 600
    severity: Severity = "S1"
    type: str = ""
    env: tuple[str, ...] = ()


class _File(msgspec.Struct, forbid_unknown_fields=True):
    suites: tuple[Suite, ...]


class _Line(msgspec.Struct):
    id: Annotated[str, Meta(min_length=1)]
    status: str
    message: str = ""


def of_file(path: Path, name: str) -> tuple[Suite, ...]:
    """The suites of a file; none when it is not there. Raises UsageError that names it."""
    if not path.exists():
        return ()
    try:
        found = msgspec.convert(tomllib.loads(strict.text_of(path, name)), _File).suites
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"{name}: {error}") from error
    if len({one.name for one in found}) < len(found):
        raise UsageError(f"{name}: two suites have the same name")
    if wrong := [one.name for one in found if REPORT not in one.command]:
        raise UsageError(f"{name}: the command of {wrong[0]} does not say {REPORT}, where its report goes")
    return found


def digest(suite: Suite, root: Path) -> str:
    """The SHA-256 of a suite's command and files. Raises UsageError for one that names no file."""
    paths = sorted({path for pattern in suite.files for path in root.glob(pattern) if path.is_file()})
    if not paths:
        raise UsageError(f"the suite {suite.name} has no files: {', '.join(suite.files)} match none")
    made = hashlib.sha256(suite.command.encode())
    for path in paths:
        made.update(f"\0{path.relative_to(root)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return "sha256:" + made.hexdigest()


def results(suite: Suite, how: str, well: bool, report: bytes | None) -> tuple[CaseResult, ...]:
    """What a suite found: `how` it ended, `well` for exit code 0, `report` None when it wrote none."""
    try:
        found = list(_cases(suite, report))
    except ValueError as error:
        return (_case(suite, "report", "error", str(error)),)
    if len({name for name, _, _ in found}) < len(found):
        return (_case(suite, "report", "error", "the report names a case twice"),)
    if not found:
        return (_case(suite, "report", "error", f"no case was reported; it {how}"),)
    made = tuple(_case(suite, *one) for one in found)
    if not well and not any(one.bad for one in made):
        return (*made, _case(suite, "exit", "error", f"every case passed, and it {how}"))
    return made


def _cases(suite: Suite, report: bytes | None) -> Iterable[tuple[str, str, str]]:
    if report is None:
        raise ValueError("there is no report")
    return _junit(report) if suite.report == "junit" else _jsonl(report)


def _junit(report: bytes) -> Iterable[tuple[str, str, str]]:
    if b"<!DOCTYPE" in report or b"<!ENTITY" in report:
        raise ValueError("the report has a DOCTYPE, which no JUnit file needs")
    try:
        root = ElementTree.fromstring(report)
    except ElementTree.ParseError as error:
        raise ValueError(f"the report is no XML: {error}") from error
    for one in root.iter("testcase"):
        name = ".".join(filter(None, (one.get("classname"), one.get("name"))))
        states = [child for child in one if child.tag in _STATES]
        status = _STATES[states[0].tag] if states else PASSED
        yield name, status, (states[0].get("message") or "") if states else ""


def _jsonl(report: bytes) -> Iterable[tuple[str, str, str]]:
    for number, line in enumerate(report.decode("utf-8", "replace").splitlines(), 1):
        if line.strip():
            try:
                strict.decode(line)
                one = msgspec.json.decode(line, type=_Line)
            except (ValueError, msgspec.ValidationError) as error:
                raise ValueError(f"line {number} of the report: {error}"[:300]) from error
            yield one.id, one.status, one.message


def _case(suite: Suite, name: str, status: str, message: str) -> CaseResult:
    verdict = Verdict.SAME if status == PASSED else Verdict.WORSE
    said = "" if status == PASSED else f"{status}: {message[:200]}" if message else status
    field = FieldResult("result", verdict, suite.severity, said)
    return CaseResult(f"{suite.name}/{name}", name, suite.type, False, verdict, (field,))


def environ(suite: Suite, known: Mapping[str, str], url: str) -> dict[str, str]:
    """The variables that a suite names, and the candidate's address. Raises UsageError for one that is not set."""
    if lost := [name for name in suite.env if not known.get(name)]:
        raise UsageError(f"the suite {suite.name} needs {', '.join(lost)}: set it, or take it out of env")
    return {**{name: known[name] for name in suite.env}, URL: url}
