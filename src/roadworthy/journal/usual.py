"""The usual case of canonical JSON, read in one go: for a first reading this is most of what is not Ed25519.

`entry.py` says what is canonical, and judges whatever is not so plain that it can be written in one way only.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

_LEVELS: Final = 8
_INTEGER: Final = (1 << 53) - 1


def usual(data: bytes) -> Any:
    """What `data` says, when that is canonical; None when it takes a closer look, or is null.

    Of few levels, without floats and long integers, and written again the same: then its keys are sorted and
    stand there once, and nothing is escaped that need not be. DEL and \\u are the two that others write otherwise.
    """
    decoder, encoder = _tools()
    try:
        value = decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return value if encoder.encode(value) == data and b"\x7f" not in data and b"\\u" not in data else None


@cache
def _tools() -> tuple[msgspec.json.Decoder[Any], msgspec.json.Encoder]:
    """Made when first used: importing the journal stays cheap."""
    flat: Any = bool | Annotated[int, Meta(ge=-_INTEGER, le=_INTEGER)] | str | None
    plain = flat
    for _ in range(_LEVELS):
        plain = flat | list[plain] | dict[str, plain]  # type: ignore[valid-type]
    return msgspec.json.Decoder(plain), msgspec.json.Encoder(order="sorted")
