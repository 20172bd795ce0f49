"""What an answer says: its JSON, read strictly, and the cookies that it leaves with whoever asked.

Invariants:

- A body is JSON as RFC 8259 has it, in UTF-8: no NaN, nothing behind it, and no key twice, since readers differ on
  which of the two counts.
- A cookie is set when it is there after the whole answer: one that is empty, expired or taken away again is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

MISSING: Final = object()
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")  # RFC 6901, 4: no leading zeros


def document(body: bytes) -> Any:
    """The JSON value that `body` is. Raises ValueError, in few words, when it is none."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse, object_pairs_hook=_unique)
    except _Strict as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError("the body is not JSON") from error


def find(value: Any, path: str) -> Any:
    """The value at `path`, MISSING when there is none.

    A path that begins with `/` is a JSON Pointer (RFC 6901): `/services/0/state`. Any other is keys with dots
    between them, and no element of a list.
    """
    pointer = path.startswith("/")
    for part in path[1:].split("/") if pointer else path.split("."):
        key = part.replace("~1", "/").replace("~0", "~") if pointer else part
        if isinstance(value, dict):
            value = value.get(key, MISSING)
        elif pointer and isinstance(value, list) and _INDEX.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return MISSING
    return value


def cookies(set_cookies: Iterable[str], now: datetime) -> frozenset[str]:
    """The names of the cookies that these Set-Cookie headers, in their order, leave set (RFC 6265, 5.3)."""
    there: dict[tuple[str, str, str], bool] = {}
    for header in set_cookies:
        pair, *rest = header.split(";")
        name, equals, value = pair.partition("=")
        said = {key.strip().lower(): text.strip() for key, _, text in (item.partition("=") for item in rest)}
        if equals:
            where = (name.strip(), said.get("domain", "").lower().lstrip("."), said.get("path", ""))
            there[where] = bool(value.strip(' "')) and not _expired(said, now)
    return frozenset(name for (name, _, _), is_set in there.items() if name and is_set)


def _expired(attributes: dict[str, str], now: datetime) -> bool:
    age = attributes.get("max-age", "")
    if re.fullmatch(r"-?[0-9]+", age):  # it counts before Expires
        return age.startswith("-") or not age.strip("0")
    try:
        moment = parsedate_to_datetime(attributes.get("expires", ""))
        return moment.replace(tzinfo=moment.tzinfo or UTC) <= now
    except (ValueError, OverflowError):  # no date: as if it were not there
        return False


class _Strict(ValueError):
    """JSON for a lenient reader only."""


def _refuse(constant: str) -> Any:
    raise _Strict(f"it says {constant}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Strict("it has a key twice")
    return found
