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

    folder = context.paths.journal / context.target
    sandbox = context.target == "sandbox"
    trust = context.paths.state / "keys" if sandbox else context.paths.root / ".release" / "trust"
    places = sorted(path for path in folder.glob("*") if path.is_dir()) if folder.is_dir() else []
    problems: list[str] = []
    for place in places:
        found = check(place, trust)
        problems += [f"{place.name}: {finding}" for finding in found]
        context.screen.line(f"  {'not trusted' if found else 'whole'}  {place.name}")
    if problems:
        line = f"{len(problems)} journals of {context.target} cannot be trusted"
        return Result(Outcome.FAILED, line, reasons=tuple(problems), code=1)
    line = f"{len(places)} journals of {context.target} are whole: signatures, chain and evidence"
    return Result(Outcome.SUCCEEDED, line)
