"""Who may sign what: the policy of four keys, written for this project, and how a key or a rule comes to an end."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import UsageError
from ..model import Outcome, Result

if TYPE_CHECKING:
    from ..config import Config
    from ..context import Context

KEYS: Final = ("build", "verification", "approval", "deploy")
COMMIT: Final = ("git add .release/trust", "git commit -m WHY")
SHOWN: Final = ".release/trust/trust.toml"


def reference() -> str:
    """The text of the policy of four keys, for the environments `staging` and `prod` of target `live`."""
    return (files("roadworthy") / "journal" / "reference.toml").read_text(encoding="utf-8")


def for_project(config: Config) -> str:
    """The same policy with the names of a project's target and environments.

    A production that asks for no certificate needs no proof of one.
    """
    production = [name for name, one in config.environments.items() if one.production]
    others = [name for name in config.environments if name not in production]
    certified = all(config.environments[name].certified_in for name in production)
    text = reference().replace('"live"', f'"{live(config)}"')
    for said, names in (('["prod"]', production), ('["staging"]', others)):
        text = text.replace(said, json.dumps(names))
    return text if certified else text.replace('"release", "certify"]', '"release"]')


def live(config: Config) -> str:
    """The target whose keys lie in `.release/trust`: the configured one, or the first that is no sandbox."""
    others = [name for name in config.targets if name != "sandbox"]
    return config.target if config.target != "sandbox" else next(iter(others), "live")


def policy(context: Context) -> Result:
    """Write the policy of four keys, whose public halves must be there. Raises UsageError when another one is."""
    from ..files import write_atomically
    from ..journal.sign import Trust

    folder: Path = context.paths.root / ".release" / "trust"
    path, text = folder / "trust.toml", for_project(context.config)
    if missing := [name for name in KEYS if not (folder / f"{name}.pub").exists()]:
        raise UsageError(f".release/trust has no {', '.join(f'{name}.pub' for name in missing)}").then(
            *(f"invoke evidence.keys --name {name}" for name in missing), "invoke evidence.keys --policy"
        )
    line = f"{SHOWN} says what each of {', '.join(KEYS)} may sign on {live(context.config)}"
    if path.exists():
        if path.read_text(encoding="utf-8", errors="replace") != text:
            raise UsageError(f"there is another {SHOWN} already: change it by hand, and raise its version")
        return Result(Outcome.SUCCEEDED, f"{line} already", evidence=SHOWN)
    context.changes(f"write {SHOWN} for the keys {', '.join(KEYS)}")
    write_atomically(path, text.encode())
    Trust.load(folder)
    return Result(Outcome.SUCCEEDED, line, evidence=SHOWN, next=COMMIT)
