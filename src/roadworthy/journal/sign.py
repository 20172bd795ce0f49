"""Keys: who signs an entry, and who may.

Keys are ordinary Ed25519 keys, OpenSSH or PEM. A private key lies in a file that only its owner can read, or
comes as text from an environment variable; it never appears in output or in an error. Public halves are
`*.pub` files in the trust folder. `trust.toml` beside them says what each may sign:

    [[rule]]
    key = "deploy-ci"                  # deploy-ci.pub, or its id "SHA256:…"
    target = "live"
    environments = ["prod"]            # "*" is every one, here and below
    stages = ["deploy"]
    actions = ["deploy", "rollback"]
    until = "2027-01-01T00:00:00Z"     # entries made then or later are refused; earlier ones stay good

A key that no rule names for a target may sign nothing there, except in the sandbox, where every key of the
folder may sign everything. One key or value per line, so that audit.sh can read it too.
"""

from __future__ import annotations

import binascii
import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from roadworthy.errors import UsageError
from roadworthy.journal.entry import Entry, Envelope, JournalError, pae

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_KEY_FILE_LIMIT = 16 << 10
_POLICY_LIMIT = 1 << 20
_SSH_PREFIX = b"\0\0\0\x0bssh-ed25519\0\0\0 "
_UNTIL = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key that signs. `keyid` and `public` (an OpenSSH line) may be shown; the rest never is."""

    keyid: str
    public: str
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature of `data`."""
        return self._key.sign(data)


@dataclass(frozen=True, slots=True)
class Rule:
    """What one key may sign on one target. "*" stands for everything; `until` (UTC) ends it, "" never."""

    keyid: str
    target: str
    environments: tuple[str, ...]
    stages: tuple[str, ...]
    actions: tuple[str, ...]
    until: str = ""

    def covers(self, entry: Entry) -> bool:
        said = entry.record
        asked = (
            (said.environment, self.environments),
            (said.stage, self.stages),
            (said.action, self.actions),
        )
        in_time = not self.until or entry.at < self.until.replace("Z", ".000000Z")
        return in_time and all("*" in allowed or value in allowed for value, allowed in asked)


@dataclass(frozen=True, slots=True)
class Trust:
    """The public keys that count (id → 32 raw bytes), and what each may sign."""

    keys: Mapping[str, bytes]
    rules: tuple[Rule, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Trust:
        """Read `*.pub` and `trust.toml`. Raises UsageError for a file that it cannot use."""
        names: dict[str, str] = {}
        keys: dict[str, bytes] = {}
        for path in sorted(folder.glob("*.pub")):
            raw = _public_of(path)
            names[path.stem] = keyid(raw)
            if keyid(raw) in keys:
                raise UsageError(f"{path}: the same key lies there under another name; remove one")
            keys[keyid(raw)] = raw
        return cls(keys, _rules(folder / "trust.toml", names))

    @classmethod
    def only(cls, signer: Signer) -> Trust:
        """Trust in one key and no policy: everything in the sandbox, nothing on `live`."""
        raw = binascii.a2b_base64(signer.public.split()[1])[len(_SSH_PREFIX) :]
        return cls({signer.keyid: raw})

    def verify(self, envelope: Envelope) -> None:
        """Raises JournalError unless a key of this folder made the signature."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        raw = self.keys.get(envelope.keyid)
        if raw is None:
            raise JournalError(f"it is signed by {envelope.keyid[:60]!r}, which is not a trusted key")
        try:
            Ed25519PublicKey.from_public_bytes(raw).verify(envelope.signature, pae(envelope.payload))
        except InvalidSignature as error:
            raise JournalError(f"its signature by {envelope.keyid} does not verify") from error

    def check(self, entry: Entry) -> None:
        """Raises JournalError unless the policy lets the entry's key sign this entry."""
        said = entry.record
        if entry.keyid not in self.keys:
            raise JournalError(f"{entry.keyid} is not a trusted key: put its .pub file into the trust folder")
        rules = [r for r in self.rules if r.keyid == entry.keyid and r.target == said.target]
        if not rules and said.target == "sandbox":
            return
        if not any(rule.covers(entry) for rule in rules):
            raise JournalError(
                f"{entry.keyid} may not sign {said.stage}/{said.action} of {said.target}/{said.environment}"
                f" at {entry.at}: no rule of trust.toml says so"
            )


def keyid(public: bytes) -> str:
    """The id of 32 raw public bytes, `SHA256:…`, as `ssh-keygen -l` prints it."""
    digest = hashlib.sha256(_SSH_PREFIX + public).digest()
    return "SHA256:" + binascii.b2a_base64(digest, newline=False).decode().rstrip("=")


def load_signer(path: Path) -> Signer:
    """The signer of a private key file, which must be readable by its owner alone. Raises UsageError."""
    try:
        with open(path, "rb", opener=_without_waiting) as file:
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


def create_key(folder: Path, name: str) -> Signer:
    """Make `<folder>/<name>` (PEM, 0600) and `<name>.pub` (OpenSSH). Raises UsageError if there is one."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    signer = _signer(pem, name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{name}.{os.urandom(8).hex()}.part"
    try:
        # Linked into place whole: another process sees no key, or a complete one.
        fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(fd)
        os.link(part, folder / name)
        (folder / f"{name}.pub").write_text(f"{signer.public} {name}\n")
    except OSError as error:
        raise UsageError(f"cannot make the key {folder / name}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
    return signer


def _without_waiting(path: str, flags: int) -> int:
    # A pipe in the place of the key must not hang us.
    return os.open(path, flags | os.O_NONBLOCK)


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
    public = key.public_key()
    line = public.public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH).decode()
    return Signer(keyid(public.public_bytes_raw()), line, key)


def _public_of(path: Path) -> bytes:
    with path.open("rb") as file:
        words = file.read(_KEY_FILE_LIMIT).split(None, 2)
    try:
        blob = binascii.a2b_base64(words[1]) if words[:1] == [b"ssh-ed25519"] and len(words) > 1 else b""
    except ValueError:
        blob = b""
    comment = words[2].strip() if len(words) == 3 else b""
    if not blob.startswith(_SSH_PREFIX) or len(blob) != len(_SSH_PREFIX) + 32 or b"\n" in comment:
        raise UsageError(f"{path} is not one OpenSSH Ed25519 public key")
    return blob[len(_SSH_PREFIX) :]


def _rules(path: Path, names: Mapping[str, str]) -> tuple[Rule, ...]:
    import tomllib

    if not path.exists():
        return ()
    with path.open("rb") as file:
        data = file.read(_POLICY_LIMIT + 1)
    if len(data) > _POLICY_LIMIT:
        raise UsageError(f"{path} is too big")
    try:
        policy = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    if set(policy) - {"rule"} or not isinstance(policy.get("rule", []), list):
        raise UsageError(f"{path} may hold [[rule]] tables and nothing else")
    return tuple(_rule(path, number, said, names) for number, said in enumerate(policy.get("rule", []), 1))


def _rule(path: Path, number: int, said: Any, names: Mapping[str, str]) -> Rule:
    def wrong(why: str) -> NoReturn:
        raise UsageError(f"{path}, rule {number}: {why}")

    lists = ("environments", "stages", "actions")
    needed = {"key", "target", *lists}
    if not isinstance(said, dict) or not needed <= set(said) <= needed | {"until"}:
        wrong(f"needs {', '.join(sorted(needed))}, and may have until")
    for name in lists:
        if not (isinstance(said[name], list) and all(isinstance(item, str) for item in said[name])):
            wrong(f"{name} is not a list of texts")
    until = said.get("until", "")
    if not (isinstance(until, str) and (not until or re.fullmatch(_UNTIL, until))):
        wrong('until is not a text like "2027-01-01T00:00:00Z"')
    key = names.get(said["key"], said["key"]) if isinstance(said["key"], str) else ""
    if key not in names.values():
        wrong(f"there is no key {said['key']!r} in the folder")
    if not isinstance(said["target"], str):
        wrong("target is not a text")
    environments, stages, actions = (tuple(said[name]) for name in lists)
    return Rule(key, said["target"], environments, stages, actions, until)
