"""`thresholds.json`: what a run may miss. Nothing is decided by a number that this file does not hold.

Read strictly: a key that is not known, a severity other than S0 to S3 or a rate that is no number between 0 and 1
is refused. What `overall` does not say is as strict as can be: every field, none worse. A severity or a document
type is limited by what is said of it, and must be measured at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from ..errors import UsageError
from . import strict

_Rate = Annotated[float, Meta(ge=0, le=1)]
_Count = Annotated[int, Meta(ge=0)]
_Version = Annotated[str, Meta(pattern=r"\A[0-9]+\.[0-9]+\.[0-9]+\Z")]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    pass


class _Limit(_Strict):
    min_pass_rate: _Rate | UnsetType = UNSET
    max_worse_count: _Count | UnsetType = UNSET
    max_new_failures: _Count | UnsetType = UNSET
    description: str = ""


class _Severities(msgspec.Struct, forbid_unknown_fields=True):
    S0: _Limit | UnsetType = UNSET
    S1: _Limit | UnsetType = UNSET
    S2: _Limit | UnsetType = UNSET
    S3: _Limit | UnsetType = UNSET


class _Thresholds(_Strict):
    overall: _Limit
    by_severity: _Severities = msgspec.field(default_factory=_Severities)
    by_document_type: dict[str, _Limit] = {}


class _Negative(_Strict):
    description: str = ""
    require_all_expected_failures: bool = True
    allow_unexpected_failures: bool = False


class _Alerts(_Strict):
    warn_on_improvement: bool = True
    warn_on_new_fields: bool = True
    fail_on_regression: bool = True
    fail_on_missing_baseline: bool = False


class _Ci(_Strict):
    pr_subset_doc_ids: list[str] = []
    nightly_full_suite: bool = True
    artifact_retention_days: Annotated[int, Meta(ge=1, le=90)] | UnsetType = UNSET
    summary_format: Literal["markdown", "json", "text"] = "markdown"


class _Governance(_Strict):
    require_approval_for_threshold_change: bool = True
    approvers: list[str] = []
    change_log_required: bool = True


class _Rules(msgspec.Struct, forbid_unknown_fields=True):
    PASS_REQUIRES_NULL_REASON_CODE: bool = False
    description: str = ""


class _File(_Strict):
    version: _Version
    thresholds: _Thresholds
    alerts: _Alerts
    ci: _Ci
    schema: str = msgspec.field(name="$schema", default="")
    description: str = ""
    negative_suite: _Negative = msgspec.field(default_factory=_Negative)
    governance: _Governance = msgspec.field(default_factory=_Governance)
    canonical_reason_codes: list[str] = []
    canonical_statuses: list[str] = []
    semantic_rules: _Rules = msgspec.field(default_factory=_Rules)


class Limit(msgspec.Struct, frozen=True):
    """What one part of a run may miss: the least rate of the same (0 to 1), and how many may be worse, or new.

    `worse` is None where nothing limits the count.
    """

    rate: Decimal = Decimal(1)
    worse: int | None = 0
    new: int = 0


class Thresholds(msgspec.Struct, frozen=True):
    """The limits of a run. `worse_cases` is how many whole cases may be worse; `overall.worse` counts fields.

    `codes` are the reason codes that a dataset may use; empty for any. With `silent_pass` what passes has none.
    """

    version: str = ""
    overall: Limit = Limit()
    worse_cases: int | None = 0
    severities: Mapping[str, Limit] = {}
    types: Mapping[str, Limit] = {}
    every_expected_failure: bool = True
    unexpected_failures: bool = False
    regression_fails: bool = True
    baseline_required: bool = False
    codes: frozenset[str] = frozenset()
    silent_pass: bool = False


def of_text(text: str) -> Thresholds:
    """The limits of a file's text. Raises ValueError that says what is wrong, and where."""
    strict.decode(text)  # no key twice, no NaN
    try:
        file = msgspec.json.decode(text, type=_File)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise ValueError(str(error)[:300]) from error
    return _limits(file)


def of_file(path: Any, name: str) -> Thresholds:
    """The limits of a file. Raises UsageError that names it."""
    try:
        return of_text(strict.text_of(path, name))
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error


def limits(thresholds: Any) -> Thresholds:
    """The limits of the part `thresholds` alone, as values that JSON has. Raises ValueError."""
    try:
        parts = msgspec.convert(thresholds, _Thresholds)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)[:300]) from error
    return _limits(_File("0.0.0", parts, _Alerts(), _Ci()))


def _limits(file: _File) -> Thresholds:
    overall = _limit(file.thresholds.overall, 0)
    named = {name: getattr(file.thresholds.by_severity, name) for name in _Severities.__struct_fields__}
    return Thresholds(
        version=file.version,
        overall=overall,
        worse_cases=overall.worse,
        severities={name: _limit(one, None) for name, one in named.items() if one is not UNSET},
        types={name: _limit(one, None) for name, one in file.thresholds.by_document_type.items()},
        every_expected_failure=file.negative_suite.require_all_expected_failures,
        unexpected_failures=file.negative_suite.allow_unexpected_failures,
        regression_fails=file.alerts.fail_on_regression,
        baseline_required=file.alerts.fail_on_missing_baseline,
        codes=frozenset(file.canonical_reason_codes),
        silent_pass=file.semantic_rules.PASS_REQUIRES_NULL_REASON_CODE,
    )


def _limit(said: _Limit, worse: int | None) -> Limit:
    return Limit(
        rate=Decimal(1) if said.min_pass_rate is UNSET else exact(said.min_pass_rate),
        worse=worse if said.max_worse_count is UNSET else said.max_worse_count,
        new=0 if said.max_new_failures is UNSET else said.max_new_failures,
    )


def exact(rate: float) -> Decimal:
    """The rate that was written: .95 − .92 is .03, which it is not among floats."""
    return Decimal(repr(rate))
