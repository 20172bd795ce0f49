"""Secrets made to be looked for: one of each kind, and all the forms in which one could leak.

Every canary holds the same STEM, random in each run, so that a search for the stem's few forms finds them all.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STEM = secrets.token_hex(6).upper()  # letters and digits: no escaping changes it


def canary(kind: str) -> str:
    """A new secret of this kind, 30 characters or more."""
    return f"{STEM}{kind}{secrets.token_hex(12)}"


def awkward(kind: str) -> str:
    """A secret of several lines, with quotes, percent-encoding and its own Base64."""
    plain = canary(kind)
    encoded = base64.b64encode(plain.encode()).decode()
    return f"{plain}\n'{canary(kind)}\" %2F{quote(plain + '/+')}\\\n{encoded}"


def private_key() -> str:
    """The PEM text of a new Ed25519 key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()).decode()


def forms(secret: str) -> Iterator[bytes]:
    """How a secret may stand in a file; of Base64 what does not depend on where in it the secret begins."""
    raw = secret.encode()
    yield raw
    yield from (raw.hex().encode(), raw.hex().upper().encode(), quote(secret, safe="").encode())
    yield secret.encode("unicode_escape")
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw)
        kept = encoded[0 if shift == 0 else 4 : len(raw) // 3 * 4 - 4]
        yield from (kept, kept.translate(bytes.maketrans(b"+/", b"-_")))


def forms_of_key(pem: str) -> Iterator[bytes]:
    """The lines of a PEM key, and its raw seed in Base64 and hex."""
    lines = pem.splitlines()[1:-1]
    seed = base64.b64decode("".join(lines))[-32:]
    yield from (line.encode() for line in lines)
    yield from (seed, seed.hex().encode(), seed.hex().upper().encode(), *forms_in_base64(seed))


def forms_in_base64(raw: bytes) -> Iterator[bytes]:
    yield base64.b64encode(raw)
    yield base64.urlsafe_b64encode(raw)


class Search:
    """Looks for the stem, and for secrets that others made, in all their forms."""

    def __init__(self, made_by_others: Iterable[str] = (), keys: Iterable[str] = ()) -> None:
        found = [forms(secret) for secret in (STEM, *made_by_others)]
        found += [forms_of_key(pem) for pem in keys]
        self._forms = sorted({form for some in found for form in some})
        assert all(len(form) >= 8 for form in self._forms), self._forms

    def __call__(self, data: bytes | str) -> str:
        """What stands around the first secret in `data`, or "" when there is none."""
        data = data.encode() if isinstance(data, str) else data
        for form in self._forms:
            at = data.find(form)
            if at >= 0:
                return repr(data[max(0, at - 80) : at + len(form) + 20])
        return ""

    def below(self, folder: Path, but_not: Iterable[Path] = ()) -> list[str]:
        """Every file below `folder`, but for the ones that are meant to hold a secret, that holds one."""
        skipped = set(but_not)
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
        found = (
            (path, self(str(path)) or self._inside(path.read_bytes()))
            for path in files
            if path not in skipped
        )
        return [f"{path.relative_to(folder)}: {near}" for path, near in found if near]

    def _inside(self, data: bytes) -> str:
        """As it lies there, and what is signed in an envelope: a form in its Base64 would be none that we know."""
        return self(data) or self(payload(data))


def payload(data: bytes) -> bytes:
    """What is signed in a DSSE envelope, b"" when `data` is none."""
    try:
        return base64.b64decode(json.loads(data)["payload"], validate=True)
    except (ValueError, TypeError, KeyError):
        return b""
