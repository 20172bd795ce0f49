"""Run the app's own tests on the package of a commit, and record the result: what `ci_is_green` reads.

The tests run in an unpacked copy of the package, so the result is of the package and not of somebody's folder.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from .. import release
from ..errors import CheckFailed
from ..facts import git
from ..model import Outcome, Result
from .build import build

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry

NAME = "verification"
OUTPUT_LIMIT: Final = 1 << 20  # bytes of the tests' output that are kept as evidence
# Of the caller's surroundings the tests see only these: no credential, no configuration of somebody's shell.
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def test(context: Context, commit: str) -> Entry:
    """Run `commands.test` for a full commit SHA. Raises CheckFailed when it does not exit with 0."""
    from ..journal import lock
    from ..journal.entry import Record
    from ..packages import slug

    package = build(context, commit)
    log = context.log(f"package-{commit}")

    def record(kind: str, **details: object) -> Record:
        said = {"change": {"id": commit[:12], "why": git.subject(context.paths.root, commit)}, **details}
        place = {"environment": f"package-{commit}", "target": context.target}
        return Record(kind, NAME, "test", subject=package.name, digest=package.digest, details=said, **place)

    if open_start := log.open_start():  # a killed test run changed nothing, whoever ran it
        log.append(record("abandon", settles=open_start.seq, reason="a new test run begins"))
    start = log.append(record("start", actor=lock.this_process()))
    words = shlex.split(context.config.commands.test)
    words[0] = sys.executable if words[0] == "python" else words[0]
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with (
        tempfile.TemporaryDirectory(prefix="roadworthy-test-") as folder,
        context.screen.step(f"testing {package.name[:17]}: {context.config.commands.test}"),
    ):
        slug.unpack(Path(package.file), Path(folder))
        done = subprocess.run(
            words,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=context.config.limits.oneoff,
            check=False,
        )
    kind = "failed" if done.returncode else "end"
    details = {"settles": start.seq, "exit_status": done.returncode, "command": context.config.commands.test}
    entry = log.append(record(kind, **details), attach={"test-output.txt": done.stdout[-OUTPUT_LIMIT:]})
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.decode("utf-8", "replace").splitlines()[-15:])
        raise CheckFailed(f"the tests of {commit[:12]} exited with {done.returncode}\n{last}")
    return entry


def report(context: Context, said: str | None) -> Result:
    """Test the commit that a person named."""
    commit = git.resolve(context.paths.root, said)
    entry = test(context, commit)
    evidence = release.evidence_of(context, f"package-{commit}", entry)
    return Result(Outcome.SUCCEEDED, f"the tests of {commit[:12]} passed", evidence=evidence)
