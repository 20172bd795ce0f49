"""What an app or a platform said, fit to be quoted: without the secrets that it was given.

- Every value of at least SHORTEST characters counts as a secret: nobody says which config vars are. Shorter
  ones (`1`, `true`) would hide half of every line.
- A secret is found as it is, line by line, percent-encoded, escaped as in JSON or Python, in Base64 and in
  hex; of an address its password, of `key=value` text the values whose keys name a secret.
- A text that was cut off inside a secret, at its end or before an ellipsis, shows no part of it either.
- A value of ours that holds secrets is `Masked`: whoever prints it sees the rest of it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, ClassVar, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

import msgspec

SHORTEST: Final = 8  # characters
HIDDEN: Final = "[hidden]"
_NAMED: Final = re.compile(r"(?:passw(?:or)?d|pwd|secret|token|key|sig\w*)=([^\s;&]+)", re.IGNORECASE)
_CUT: Final = re.compile(r"\.\.\.|…|$")


class Masked(msgspec.Struct, frozen=True):
    """A value whose fields in HIDES are in no representation of it."""

    HIDES: ClassVar[tuple[str, ...]] = ()

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in self.__struct_fields__ if name not in self.HIDES]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class Mask:
    """Call it with a text: the secrets in it are replaced by `[hidden]`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for part in _parts(secret) for form in _forms(part)}
        self._forms = sorted(forms, key=len, reverse=True)  # the longest first: it may hold a shorter one

    def __call__(self, text: str) -> str:
        """The text with every known secret replaced."""
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        for cut in reversed([found.start() for found in _CUT.finditer(text)]):
            text = self._begun(text[:cut]) + text[cut:]
        return text

    def _begun(self, text: str) -> str:
        """`text` without the beginning of a secret at its end."""
        for form in self._forms:
            at = text.rfind(form[:SHORTEST], max(0, len(text) - len(form)))
            if at >= 0 and form.startswith(text[at:]):
                return text[:at] + HIDDEN
        return text


def _parts(secret: str) -> Iterator[str]:
    yield secret
    yield from secret.splitlines()
    yield from _NAMED.findall(secret)
    with suppress(ValueError):  # a value that only looks like an address
        yield urlsplit(secret).password or ""


def _forms(part: str) -> Iterator[str]:
    for text in (part, unquote(part)):
        data = text.encode("utf-8", "replace")
        encoded = [
            encode(data).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)
        ]
        escaped = [json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]]
        forms = (text, quote(text), quote(text, safe=""), quote_plus(text), *escaped, *encoded, data.hex())
        if len(text) >= SHORTEST:
            yield from forms
