"""Run the app's own tests on the package of a commit, and record the result: what `ci_is_green` reads.

The tests run in an unpacked copy of the package, so the result is of the package and not of somebody's folder.
"""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..errors import CheckFailed
from ..facts import git
from ..model import Outcome, Result
from ..record import evidence_of
from .build import package_of, unpack
from .on_package import begin, place_of

if TYPE_CHECKING:
    from ..context import Context
    from ..journal.entry import Entry

NAME = "verification"
PASSED: Final = "exited with 0"
OUTPUT_LIMIT: Final = 1 << 20  # bytes of the tests' output that are kept as evidence
# Of the caller's surroundings the tests see only these: no credential, no configuration of somebody's shell.
PASSED_ON: Final = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")


def test(context: Context, commit: str) -> Entry:
    """Run `commands.test` for a full commit SHA. Raises CheckFailed when it does not exit with 0."""
    from ..journal import predicates

    package = package_of(context, commit)
    change = {"id": commit[:12], "why": git.subject(context.paths.root, commit)}
    words = shlex.split(context.config.commands.test)
    words[0] = sys.executable if words[0] == "python" else words[0]
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with (
        begin(context, commit, NAME, "test", package, change=change) as turn,
        tempfile.TemporaryDirectory(prefix="roadworthy-test-") as folder,
        context.screen.step(f"testing {package.name[:17]}: {context.config.commands.test}"),
    ):
        unpack(context, package, Path(folder))
        how, output = _run(words, folder, environ, context.config.limits.oneoff)
        end = turn.done if how == PASSED else turn.failed
        details = {"change": change, "ended": how, "command": context.config.commands.test}
        result = predicates.test_result((turn.start,), context.config.commands.test, passed=how == PASSED)
        attach = {"test-output.txt": output, "test-result.json": predicates.as_file(result)}
        entry = end(package, details, attach)
    if how != PASSED:
        last = "\n".join(f"  {line}" for line in output.decode("utf-8", "replace").splitlines()[-15:])
        raise CheckFailed(f"the tests of {commit[:12]} {how}\n{last}".rstrip())
    return entry


def _run(words: list[str], folder: str, environ: Mapping[str, str], within: float) -> tuple[str, bytes]:
    """How the tests ended, in words, and what they said. Their whole process group ends with them."""
    try:
        done = subprocess.Popen(
            words,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    except OSError as error:
        return f"could not be started: {words[0]}: {error.strerror}", b""
    with done:
        try:
            output, ended = _last_words(done, time.monotonic() + within)
            if not ended:
                os.killpg(done.pid, signal.SIGKILL)
                return f"did not end within {within:g} s", output
        except BaseException:
            os.killpg(done.pid, signal.SIGKILL)
            raise
    return f"exited with {done.returncode}", output


def _last_words(done: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """The last OUTPUT_LIMIT bytes that the tests said, and whether they had ended by the deadline."""
    output = b""
    with selectors.DefaultSelector() as waiting:
        stream = done.stdout
        if stream is None:
            raise ValueError("the tests' output is a pipe")
        waiting.register(stream, selectors.EVENT_READ)
        while waiting.select(max(0.0, deadline - time.monotonic())):
            part = os.read(stream.fileno(), 1 << 16)
            if not part:
                with suppress(subprocess.TimeoutExpired):
                    done.wait(max(0.0, deadline - time.monotonic()))
                    return output, True
                break
            output = (output + part)[-OUTPUT_LIMIT:]
    return output, False


def report(context: Context, said: str | None) -> Result:
    """Test the commit that a person named."""
    commit = git.resolve(context.paths.root, said)
    entry = test(context, commit)
    evidence = evidence_of(context, place_of(commit), entry)
    return Result(Outcome.SUCCEEDED, f"the tests of {commit[:12]} passed", evidence=evidence)
