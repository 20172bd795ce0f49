"""When two values are equal: the same value of the same kind, or within a tolerance that the case declares.

`true` is not `1`, and `"450"` is not `450`. A tolerance never forgives a value of another kind, another currency,
or a day for a moment.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CURRENCY: Final = r"[A-Z]{3}|[€$£¥]"
_MONEY: Final = re.compile(
    rf"\s*(?P<before>{_CURRENCY})?\s*(?P<amount>-?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+|[0-9]+)(?:\.[0-9]+)?)"
    rf"\s*(?P<after>{_CURRENCY})?\s*"
)


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one field may differ by; exactly one is said.

    `number`: by how much, `relative`: by which part of the expected number, `date`: by how long (`90s`, `2h`,
    `1d`), `money`: by how much of the same currency, `text`: in what (case, space, unicode form).
    """

    number: float | None = None
    relative: float | None = None
    date: str | None = None
    money: float | None = None
    text: tuple[Literal["case", "space", "unicode"], ...] | None = None

    def __post_init__(self) -> None:
        said = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a tolerance says exactly one of number, relative, date, money and text")
        if any((getattr(self, name) or 0) < 0 for name in ("number", "relative", "money")):
            raise ValueError("a tolerance is not negative")
        if self.date is not None and not re.fullmatch(r"[0-9]{1,6}[smhd]", self.date):
            raise ValueError("a tolerance of dates is a number and a unit, for example 90s, 2h or 1d")


def equal(expected: Any, given: Any, tolerance: Tolerance | None = None) -> bool:
    """True when `given` is what was expected."""
    if _same(expected, given):
        return True
    if tolerance is None or isinstance(expected, bool) or isinstance(given, bool):
        return False
    if tolerance.text is not None:
        return _both(str, expected, given) and _text(expected, tolerance) == _text(given, tolerance)
    if tolerance.date is not None:
        return _both(str, expected, given) and _near(expected, given, tolerance.date)
    if tolerance.money is not None:
        return _money_near(expected, given, _exact(tolerance.money))
    if not _both(int | Decimal, expected, given):
        return False
    gap = abs(Decimal(expected) - Decimal(given))
    if tolerance.number is not None:
        return gap <= _exact(tolerance.number)
    return gap <= _exact(tolerance.relative or 0) * abs(Decimal(expected))


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON values: numbers by value, everything else by kind and value."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if _both(int | Decimal, one, other):
        return bool(one == other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(_same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _both(kind: Any, one: Any, other: Any) -> bool:
    return isinstance(one, kind) and isinstance(other, kind)


def _exact(number: float) -> Decimal:
    """The number that was written, not the float that is nearest to it."""
    return Decimal(repr(number))


def _text(value: str, tolerance: Tolerance) -> str:
    parts = tolerance.text or ()
    value = unicodedata.normalize("NFC", value) if "unicode" in parts else value
    value = " ".join(value.split()) if "space" in parts else value
    return value.casefold() if "case" in parts else value


def _moment(text: str) -> datetime | date | None:
    try:
        if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
            return date.fromisoformat(text)
        return datetime.fromisoformat(text) if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", text) else None
    except ValueError:
        return None


def _near(expected: str, given: str, within: str) -> bool:
    one, other = _moment(expected), _moment(given)
    if one is None or type(one) is not type(other):
        return False
    limit = timedelta(seconds=int(within[:-1]) * _UNITS[within[-1]])
    if isinstance(one, datetime) and isinstance(other, datetime):
        if (one.tzinfo is None) != (other.tzinfo is None):
            return False
        return abs(_utc(one) - _utc(other)) <= limit
    assert other is not None
    return abs(one - other) <= limit


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _money_near(expected: Any, given: Any, within: Decimal) -> bool:
    one, other = _amount(expected), _amount(given)
    return one is not None and other is not None and one[0] == other[0] and abs(one[1] - other[1]) <= within


def _amount(value: Any) -> tuple[str, Decimal] | None:
    """Currency ("" when none is said) and amount; None for what is no money, or says two currencies."""
    if isinstance(value, int | Decimal):
        return "", Decimal(value)
    found = _MONEY.fullmatch(value) if isinstance(value, str) else None
    if found is None or (found["before"] and found["after"]):
        return None
    return found["before"] or found["after"] or "", Decimal(found["amount"].replace(",", ""))
