"""Words of the first platform that stay where people, files and other programs read them.

The core says *artifact*, *process* and *release*. These are the names under which it writes and prints them, as
journals, packages, auditors and scripts have known them since before there was a second platform. No other module
spells them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

PROCESSES: Final = "dynos"
"""Key of an app's processes in what `sandbox.status --json` prints and the sandbox's server answers."""
SourceKind = Literal["slug"]
SOURCE: Final[SourceKind] = "slug"
"""The kind of package that is an archive of a commit's files: as release.toml, manifests and journals name it."""
START_FILE: Final = "Procfile"
"""The file of such a package that says how its processes are started."""
IGNORE_FILE: Final = ".slugignore"
"""The file that says what another build would leave out of such a package; ours leaves nothing out."""
START_FACT: Final = "procfile"
"""The name under which verdicts say that a guard read the start commands."""
ARTIFACT: Final = "slug"
"""Key of the artifact in `to` of an entry, in its components and in its receipts (docs/journal-format.md)."""


RELEASE_EXAMPLE: Final = "vNNN"
"""The form of such a name, for help and messages."""
ROLLBACK: Final = "heroku-rollback"
"""The word of the Makefile that rolls production back."""


def release_name(number: int) -> str:
    """How people name a release of which an entry holds no more than the number; "" of none (0)."""
    return f"v{number}" if number else ""


def release_number(text: str) -> int:
    """The number of the release that such a name means; 0 where the text is no such name."""
    return int(text[1:]) if re.fullmatch(r"v[1-9][0-9]{0,8}", text) else 0


class Renamed:
    """What guards of before may still ask by its old name: they are the team's files, which no upgrade rewrites."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            new = _RENAMED.get(name, "")
            if new not in self.__struct_fields__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
            return getattr(self, new)


_RENAMED: Final = {
    "slug": "artifact",
    "dynos": "processes",
    "version": "order",
    "procfile": "start_commands",
}
