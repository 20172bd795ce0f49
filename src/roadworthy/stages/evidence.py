"""Evidence: make a signing key, and check what was signed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..model import Outcome, Result

if TYPE_CHECKING:
    from ..context import Context


def keys(context: Context, name: str, folder: str) -> Result:
    """Make an Ed25519 key: the private half (0600) in `folder`, the public half in `.release/trust`."""
    from ..journal.sign import create_key

    root = context.paths.root
    place = Path(folder).expanduser() if folder else Path("~/.config/roadworthy").expanduser()
    if place.resolve().is_relative_to(root):
        raise UsageError("a private key does not belong in the project: choose a --folder outside of it")
    signer = create_key(place, name)
    trust = root / ".release" / "trust"
    trust.mkdir(parents=True, exist_ok=True)
    (trust / f"{name}.pub").write_bytes((place / f"{name}.pub").read_bytes())
    line = f"key {signer.keyid}: sign with ROADWORTHY_SIGNING_KEY_FILE={place / name}"
    return Result(Outcome.SUCCEEDED, line, evidence=f".release/trust/{name}.pub")


def audit(context: Context) -> Result:
    """Check every journal of the target without the code that wrote it."""
    from ..journal.audit import audit as check

    findings = check(context.paths.journal, None)
    reasons = tuple(str(finding) for finding in findings)
    if reasons:
        return Result(Outcome.FAILED, "the journal cannot be trusted", reasons=reasons, code=1)
    return Result(Outcome.SUCCEEDED, "the journal is whole: signatures, chain and evidence")
