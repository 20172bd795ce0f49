"""The stamp of a dataset: the SHA-256 of its canonical JSON (RFC 8785), by which an edit shows.

`contentHash` is left out at every level, as the original does; keys, strings and numbers are written as ECMAScript
writes them. A text with half of a surrogate pair has no such form, and is refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

import rfc8785

from . import strict

KEY: Final = "contentHash"


def content_hash(document: Any) -> str:
    """`sha256:…` of a document that was decoded with `floats`. Raises ValueError where there is no such form."""
    try:
        return "sha256:" + hashlib.sha256(rfc8785.dumps(_without(document))).hexdigest()
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise ValueError("it has no canonical form: a number or a text that JSON cannot exchange") from error


def of_text(text: str) -> str:
    """The hash of a JSON text. Raises ValueError."""
    return content_hash(strict.decode(text, floats=True))


def problem(text: str) -> str:
    """Why the stamp of a dataset is not right; "" when it is."""
    try:
        document = strict.decode(text, floats=True)
        expected = content_hash(document)
    except ValueError as error:
        return str(error)
    if not isinstance(document, dict):
        return "it is no JSON object, and has no stamp"
    found = document.get(KEY)
    if not found:
        return f"it has no stamp ({KEY})"
    return "" if found == expected else f"its stamp is not that of its content, which is {expected}"


def stamped(text: str) -> str:
    """The dataset with its stamp, two spaces deep, its keys in their order. Raises ValueError."""
    document = strict.decode(text, floats=True)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object, and cannot hold a stamp")
    return _pretty({**document, KEY: content_hash(document)}) + "\n"


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(each) for key, each in value.items() if key != KEY}
    return [_without(each) for each in value] if isinstance(value, list) else value


def _pretty(value: Any, margin: str = "") -> str:
    """JSON two spaces deep, its numbers as ECMAScript writes them."""
    inner = margin + "  "
    if isinstance(value, dict) and value:
        parts = [f"{_pretty(key)}: {_pretty(each, inner)}" for key, each in value.items()]
        return "{\n" + ",\n".join(inner + part for part in parts) + f"\n{margin}}}"
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(inner + _pretty(each, inner) for each in value) + f"\n{margin}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return rfc8785.dumps(value).decode()
