"""Run the app's own tests on the package of a commit, and record the result: what `ci_is_green` reads.

The tests run in an unpacked copy of the package, so the result is of the package and not of somebody's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import git
from ..actions.deploy import package_of
from ..errors import CheckFailed
from ..facts.package import unpack
from ..journal.entry import place_of
from ..model import Outcome, Result
from ..packages import start_commands
from ..record import evidence_of
from ..trial.place import MARKER, Ran, place_apart, run
from .on_package import begin

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry
    from ..model import Package

NAME = "verification"
# Of the caller's surroundings the tests see only these: no credential, no configuration of somebody's shell.
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def test(context: Context, commit: str) -> Entry:
    """Run the tests of each component of a full commit SHA. Raises CheckFailed when one does not exit with 0."""
    from ..journal import predicates

    package = package_of(context, commit)
    change = {"id": commit[:12], "why": git.subject(context.paths.root, commit)}
    commands = [context.config.commands.test, *(c.test for c in context.config.components)]
    command = "; ".join(commands)
    output = b""
    with begin(context, commit, NAME, "test", package, change=change) as turn:
        for part, words in zip(package.each, commands, strict=True):
            ran = _run(context, part, words)
            output += ran.output
            if not ran.well:
                break
        end = turn.done if ran.well else turn.failed
        details: dict[str, object] = {"change": change, "ended": ran.how, "command": command}
        if all(part.kind == "image" and not part.found for part in package.each):
            details["built"] = True  # and not found: the build that comes later may find it
        result = predicates.test_result((turn.start,), command, passed=ran.well)
        attach = {"test-output.txt": output, "test-result.json": predicates.as_file(result)}
        entry = end(package, details, attach)
    if not ran.well:
        last = "\n".join(f"  {line}" for line in ran.output.decode("utf-8", "replace").splitlines()[-15:])
        whose = f"component {part.component} of {commit[:12]}" if part.component else commit[:12]
        raise CheckFailed(f"the tests of {whose} {ran.how}\n{last}".rstrip())
    return entry


def _run(context: Context, part: Package, command: str) -> Ran:
    """Run the tests of one component in an unpacked copy of its package."""
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    with (
        place_apart() as folder,
        context.screen.step(f"testing {part.name[:17]}: {command}") as step,
    ):
        unpack(context, part, folder)
        environ |= {"PATH": search, MARKER: folder.name}
        ran = run(start_commands.words(command, folder), folder, environ, context.config.limits.oneoff)
        step.fail(not ran.well)
        return ran


def report(context: Context, said: str | None) -> Result:
    """Test the commit that a person named."""
    commit = git.resolve(context.paths.root, said)
    entry = test(context, commit)
    evidence = evidence_of(context, place_of(commit), entry)
    return Result(Outcome.SUCCEEDED, f"the tests of {commit[:12]} passed", evidence=evidence)
