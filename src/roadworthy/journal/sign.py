"""Keys: who signs an entry, and whose signatures count.

Keys are ordinary Ed25519 keys, OpenSSH or PEM; those made here are OpenSSH, since ssh-keygen signs with no other
form. A private key lies in a file that only its owner can read, or comes as text from an environment variable;
it never appears in output or in an error. Public halves are `*.pub` files in the trust folder. `trust.toml`
beside them says what each may sign (`policy.py`).

A key that no rule names for a target may sign nothing there, except in the sandbox, where every key of the
folder may sign everything.
"""

from __future__ import annotations

import binascii
import contextlib
import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ..errors import UsageError
from ..files import appearing, read_file, without_waiting, write_atomically
from ..mask import Masked
from .entry import Entry, Envelope, JournalError, pae
from .policy import Policy, read_policy

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_KEY_FILE_LIMIT = 16 << 10
_SSH_PREFIX = b"\0\0\0\x0bssh-ed25519\0\0\0 "
# docs/journal-format.md
_PUBLIC_LINE = re.compile(rb"ssh-ed25519 ([A-Za-z0-9+/]{68})(?: [^\x00-\x1f\x7f]*)?\n?")


class Signer(Masked, frozen=True):
    """A private key that signs. `keyid` and `public` (an OpenSSH line) may be shown; the rest never is."""

    HIDES = ("_key",)

    keyid: str
    public: str
    _key: Callable[[], Ed25519PrivateKey]

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature of `data`. Raises UsageError if its file cannot be used."""
        return self._key().sign(data)


class Trust(msgspec.Struct, frozen=True):
    """The public keys that count (id → 32 raw bytes), and what each may sign."""

    keys: Mapping[str, bytes]
    policy: Policy = Policy()

    @classmethod
    def load(cls, folder: Path) -> Trust:
        """Read `*.pub` and `trust.toml`. Raises UsageError for a file that it cannot use."""
        names: dict[str, str] = {}
        keys: dict[str, bytes] = {}
        for path in sorted(folder.glob("[!.]*.pub")):
            if not is_key_name(path.stem):
                raise UsageError(f"{path}: a key is named with letters, digits, . _ -")
            raw = _public_of(path)
            names[path.stem] = keyid(raw)
            if keyid(raw) in keys:
                raise UsageError(f"{path}: the same key lies there under another name; remove one")
            keys[keyid(raw)] = raw
        # Another key under an old name is another policy, so the digest covers the keys too.
        listed = "".join(f"{stem} {key}\n" for stem, key in names.items())
        return cls(keys, read_policy(folder / "trust.toml", names, listed))

    @property
    def digest(self) -> str:
        """64 hex digits that differ whenever a key, a rule or a revocation does."""
        return hashlib.sha256(f"{sorted(self.keys)} {self.policy!r}".encode()).hexdigest()

    def verify(self, envelope: Envelope) -> None:
        """Raises JournalError unless a key of this folder made the signature."""
        from cryptography.exceptions import InvalidSignature

        raw = self.keys.get(envelope.keyid)
        if raw is None:
            raise JournalError(f"it is signed by {envelope.keyid[:60]!r}, which is not a trusted key")
        try:
            _public_key(raw).verify(envelope.signature, pae(envelope.payload))
        except InvalidSignature as error:
            raise JournalError(f"its signature by {envelope.keyid} does not verify") from error

    def check(self, entry: Entry) -> None:
        """Raises JournalError unless the policy lets the entry's key sign this entry."""
        if entry.keyid not in self.keys:
            raise JournalError(f"{entry.keyid} is not a trusted key: put its .pub file into the trust folder")
        self.policy.check(entry)


def keyid(public: bytes) -> str:
    """The id of 32 raw public bytes, `SHA256:…`, as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(_SSH_PREFIX + public).digest()
    return "SHA256:" + binascii.b2a_base64(digest, newline=False).decode().rstrip("=")


def load_signer(path: Path) -> Signer:
    """The signer of a private key file, which must be readable by its owner alone. Raises UsageError."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise UsageError(f"the signing key {path} is not a file")
            if about.st_mode & 0o077:
                mode = stat.S_IMODE(about.st_mode)
                raise UsageError(f"others can read the signing key {path} (mode {mode:04o}): chmod 600 it")
            data = file.read(_KEY_FILE_LIMIT + 1)
    except OSError as error:
        raise UsageError(f"cannot read the signing key {path}: {error.strerror}") from error
    return _signer(data, f"the signing key {path}")


def signer_from_text(text: str) -> Signer:
    """The signer of a private key that came as text, from an environment variable. Raises UsageError."""
    return _signer(text.strip().encode(errors="replace") + b"\n", "the signing key from the environment")


def own_key(folder: Path, name: str) -> Signer:
    """The key `<folder>/<name>`, made at the first call, by whichever process comes first.

    Its private half is read when it first signs, for most commands sign nothing.
    """
    file = folder / name
    if not file.exists():
        with contextlib.suppress(FileExistsError):
            return _create(folder, name)
    public = file.with_name(f"{name}.pub")
    if not public.exists():  # its maker was killed between the two files
        _write_public(folder, name, load_signer(file))
    raw = _public_of(public)
    return Signer(keyid(raw), _line(raw), functools.cache(lambda: _private_of(file, raw)))


def throwaway_key() -> Signer:
    """A key that is kept nowhere: for whoever only reads where nothing was signed yet."""
    return _signer(_new_key(), "throwaway")


def _new_key() -> bytes:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    return key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption())


def create_key(folder: Path, name: str) -> Signer:
    """Make `<folder>/<name>` (OpenSSH, 0600) and `<name>.pub` (OpenSSH). Raises UsageError if there is one."""
    try:
        return _create(folder, name)
    except OSError as error:
        raise UsageError(f"cannot make the key {folder / name}: {error.strerror}") from error


def is_key_name(name: str) -> bool:
    """May `name` be a key's, and so a file's, and a word of trust.toml?"""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) is not None and not name.endswith(".pub")


def _create(folder: Path, name: str) -> Signer:
    if not is_key_name(name):
        raise UsageError(f"{name[:100]!r} cannot name a key: letters, digits, . _ -")
    text = _new_key()
    signer = _signer(text, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Another process sees no key, or a complete one.
    with appearing(folder / name, 0o600, replace=False) as file:
        file.write(text)
    _write_public(folder, name, signer)
    return signer


def _write_public(folder: Path, name: str, signer: Signer) -> None:
    write_atomically(folder / f"{name}.pub", f"{signer.public} {name}\n".encode())


def _signer(data: bytes, what: str) -> Signer:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(data) > _KEY_FILE_LIMIT:
        raise UsageError(f"{what} is too big to be a key")
    load = s.load_ssh_private_key if b"BEGIN OPENSSH" in data else s.load_pem_private_key
    try:
        key = load(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not chained: the cause may quote what it could not parse, and that may be the key.
        raise UsageError(f"{what} is not a private key in PEM or OpenSSH form without a passphrase") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{what} is not an Ed25519 key; `ssh-keygen -t ed25519 -N ''` makes one")
    raw = key.public_key().public_bytes_raw()
    return Signer(keyid(raw), _line(raw), lambda: key)


def _private_of(file: Path, public: bytes) -> Ed25519PrivateKey:
    signer = load_signer(file)
    if signer.keyid != keyid(public):
        raise UsageError(f"{file}.pub is another key than {file}: delete it, and it is written anew")
    return signer._key()


@functools.cache
def _public_key(raw: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(raw)


def _line(public: bytes) -> str:
    """32 raw bytes as OpenSSH writes them (RFC 8709, section 4)."""
    return "ssh-ed25519 " + binascii.b2a_base64(_SSH_PREFIX + public, newline=False).decode()


def _public_of(path: Path) -> bytes:
    try:
        found = _PUBLIC_LINE.fullmatch(read_file(path, _KEY_FILE_LIMIT))
    except FileNotFoundError:
        raise UsageError(
            f"{path} is a link to nothing, or just went: put the key there, or remove it"
        ) from None
    blob = binascii.a2b_base64(found[1]) if found else b""
    if not blob.startswith(_SSH_PREFIX):
        raise UsageError(
            f"{path} is not one OpenSSH Ed25519 public key: one line `ssh-ed25519 AAAA… comment` that ends in LF"
        )
    return blob[len(_SSH_PREFIX) :]
