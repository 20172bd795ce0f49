"""Acceptance of the migrations: what was read and declared is exactly what the migration tool would run.

The files are read from the commit and never run (facts/migrations.py); the tool finds its own by its own rules. A
file in a subfolder, a second folder, a compiled one without source, a command that stops short or goes on: each
makes the two differ, and each difference is a NO with the names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from ..actions import migrate
from ..errors import CheckFailed, RoadworthyError
from ..facts.revision import Listed, heads_in, history_in, revision_in
from ..facts.schema import own_migrations
from ..model import Receipt

if TYPE_CHECKING:
    from ..context import Context
    from ..facts.migrations import Migrations
    from ..trial.package import Trial


def problems(context: Context, place: Trial, said: list[bytes]) -> list[str]:
    """What is wrong with the package's migrations; `said` gets what the commands print.

    They run twice on an empty database, and after each run it must be at the head of the package's migrations.
    """
    try:
        own = own_migrations(context, place.package.commit)
        if own.none:
            return []
        head = own.head
        return _asked(context, place, own, said) or _run(context, place, head, said)
    except RoadworthyError as error:
        return [str(error)]


def differences(own: Migrations, heads: Sequence[str], history: Sequence[Listed], folder: str) -> list[str]:
    """Where the tool's own heads and history are not what was read.

    `folder` is where the migrations lie in the package; the tool's paths must lead there, and nowhere else.
    """
    found = [
        f"the migration tool finds {one.revision} ({one.path}), which is not in the package's folder"
        for one in _unread(own, history)
    ]
    for one in own.all:
        listed = [other for other in history if other.revision == one.revision]
        if not listed:
            found.append(f"{one.file} declares {one.revision}, which the migration tool does not find")
        for other in listed:
            if other.parents != tuple(sorted(one.down_revision)):
                parents = ", ".join(other.parents) or "nothing"
                found.append(
                    f"the migration tool puts {one.revision} after {parents}, not as {one.file} declares"
                )
            name = PurePosixPath(one.file).name
            if not f"/{other.path}".endswith(f"{folder}/{name}"):
                found.append(
                    f"the migration tool takes {one.revision} from {other.path}, not from {one.file}"
                )
    if tuple(heads) != own.heads():
        seen = ", ".join(heads) or "none"
        found.append(f"the migration tool's heads are {seen}, the package's are {', '.join(own.heads())}")
    return found


def _unread(own: Migrations, history: Sequence[Listed]) -> Iterator[Listed]:
    read = {one.revision for one in own.all}
    return (one for one in history if one.revision not in read)


def _asked(context: Context, place: Trial, own: Migrations, said: list[bytes]) -> list[str]:
    commands = context.config.commands
    heads = heads_in(_output(place, commands.heads, said))
    history = history_in(_output(place, commands.history, said))
    # Inside of an image nobody but the image knows where the package's folder is.
    root = "" if place.container else place.folder.resolve().as_posix()
    return differences(own, heads, history, f"{root}/{context.config.package.migrations}")


def _run(context: Context, place: Trial, head: str | None, said: list[bytes]) -> list[str]:
    for time in ("first", "second"):
        _output(place, migrate.command(context.config, head), said)
        asked = context.config.commands.revision
        output = tuple(_output(place, asked, said))
        revision = revision_in(Receipt(asked, 0, exit_status=0, output=output))
        if revision != head:
            return [f"after the {time} run the database is at {revision}, not at {head}, the package's head"]
    return []


def _output(place: Trial, command: str, said: list[bytes]) -> list[str]:
    ran = place.run(command)
    said.append(ran.output)
    if not ran.well:
        raise CheckFailed(f"{command!r} {ran.told(place.hide)}")
    return ran.output.decode("utf-8", "replace").splitlines()
