"""Rehearse: take the commit at HEAD down the whole road on a sandbox of its own, with the commands people type.

Every step is a real command in a process of its own; what it prints is what a person would see. The state is
`.release/rehearsal/`, made anew each time, so that nothing of an earlier release decides. The first steps put
the parent commit into production, for a road that ends in a rollback needs something to go back to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .. import git
from ..compatibility import ROLLBACK, START_FILE, release_name
from ..errors import CheckFailed, UsageError
from ..model import Outcome, Result
from ..sandbox import control

if TYPE_CHECKING:
    from ..context import Context

STATE: Final = ".release/rehearsal"
KEYS: Final = {"ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
# What the caller's shell, or the make that called us, may have set and no command here may inherit.
CALLERS: Final = (
    *KEYS,
    "EVIDENCE_DIR",
    "KEEP",
    "MAKEFLAGS",
    "GNUMAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "MAKEOVERRIDES",
)


class Step(msgspec.Struct, frozen=True):
    """One command as it is typed; `expect` is the exit code that it must end with, `keys` opens production."""

    title: str
    words: tuple[str, ...]
    expect: int = 0
    keys: bool = False

    @property
    def typed(self) -> str:
        """The command line, with the keys before it where invoke needs them."""
        keys = " ".join(f"{k}={v}" for k, v in KEYS.items()) + " " if self.keys else ""
        return keys + shlex.join(self.words)


def rehearse(context: Context, keep: bool) -> Result:
    """Walk all steps; the first that ends otherwise than expected ends the rehearsal with exit code 1."""
    root, screen = context.paths.root, context.screen
    head = git.resolve(root, None)
    before = git.parent(root, head)
    if before is None or git.show(root, before, f"{context.config.package.path}/{START_FILE}") is None:
        raise UsageError(
            "a rehearsal rolls back to the parent of HEAD, which must have the app in it: commit once more"
        )
    state = root / STATE
    environ = {
        **{name: value for name, value in os.environ.items() if name not in CALLERS},
        "ROADWORTHY_STATE": STATE,
        "ROADWORTHY_TARGET": "sandbox",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    context.changes(f"rehearse a full release of {head[:12]} on a separate sandbox in {STATE}")
    control.down(state / "sandbox")
    shutil.rmtree(state, ignore_errors=True)
    screen.title(f"rehearse {head[:12]}: {git.subject(root, head)}")
    began = time.monotonic()
    walked: list[dict[str, Any]] = []
    problem = ""
    with _ending(state, keep):
        for step in _road(head, before, root, environ):
            row = _walk(step, root, environ, screen)
            walked.append(row)
            if row["exit"] != step.expect:
                problem = f"{step.typed!r} exited with {row['exit']}, expected {step.expect}"
                break
        told = _json(root, environ, "status").get("details", {})  # while the sandbox is up
    page = _page(context, head, walked, problem, environ, told.get("environments", []))
    took = time.monotonic() - began
    if problem:
        return Result(Outcome.FAILED, problem, evidence=context.shown(page), code=1)
    if keep:
        _say_what_is_kept(context, state)
    line = f"rehearsed a full release of {head[:12]} in {took:.0f} s"
    return Result(Outcome.SUCCEEDED, line, evidence=context.shown(page))


def _road(head: str, before: str, root: Path, environ: Mapping[str, str]) -> Iterator[Step]:
    """The steps, in order. Lazy: the rollback's release number is known when production was deployed."""
    invoke, make = "invoke", "make"
    yield Step("the local platform", (invoke, "sandbox.up"))
    both = f"printf '%s\\n' {before} {head} | xargs -n 1 -P 2 invoke test --commit"
    yield Step("the app's tests, for both commits", ("sh", "-c", both))
    yield Step("before: staging", (invoke, "ship", "--commit", before))
    yield Step("before: certified", (invoke, "certify"))
    yield Step("before: production", (invoke, "deploy", "--env", "prod", "--commit", before), keys=True)
    yield Step(
        "before: its schema", (invoke, "migrate", "--env", "prod", "--approval", "rehearsal"), keys=True
    )
    yield Step("to staging", (make, "ship-autorisen-log"))
    yield Step("smoke staging", (make, "smoke-staging"))
    yield Step("not certified", (make, "deploy-capecraft", "ALLOW_PROD=1"), expect=2)
    yield Step("certify", (make, "certify-autorisen"))
    yield Step("production is locked", (make, "deploy-capecraft"), expect=2)
    yield Step("to production", (make, "deploy-capecraft", "ALLOW_PROD=1"))
    yield Step("smoke production", (make, "smoke-prod"))
    yield Step("complete", (invoke, "complete", "--env", "prod"), keys=True)
    yield Step("the decision", (invoke, "decide", "--env", "prod"))
    release = _release_of(before, root, environ)
    yield Step("roll back", (make, ROLLBACK, f"REL={release_name(release)}", "ALLOW_PROD=1"))
    yield Step("verify again", (invoke, "verify", "--env", "prod"))
    yield Step("what happened", (invoke, "history", "--env", "prod"))
    yield Step("the evidence", (invoke, "evidence.audit"))
    if shutil.which("jq") and shutil.which("openssl"):  # without this code, where its tools are installed
        place = (f"{STATE}/journal/sandbox/prod", "--trust", f"{STATE}/keys")
        yield Step("the evidence, by a shell", ("scripts/audit.sh", *place))


def _release_of(commit: str, root: Path, environ: Mapping[str, str]) -> int:
    rows = _json(root, environ, "history", "--env", "prod")["details"]["entries"]
    ended = (r for r in rows if (r["kind"], r["action"], r["commit"]) == ("end", "deploy", commit))
    return int(next(ended)["release"])


def _walk(step: Step, root: Path, environ: Mapping[str, str], screen: Any) -> dict[str, Any]:
    """Run one command, its output on the screen and in the row."""
    screen.line("")
    screen.line(f"$ {step.typed}")
    began = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        step.words,
        cwd=root,
        env={**environ, **(KEYS if step.keys else {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        if process.stdout is None:
            raise CheckFailed("the command has no output to follow")
        for line in process.stdout:
            screen.line(f"  {line.rstrip()}")
            lines.append(line.rstrip())
    seconds = time.monotonic() - began
    expected = "refused" if step.expect else "succeeded"
    return {
        "name": step.title,
        "command": step.typed,
        "exit": process.returncode,
        "outcome": expected if process.returncode == step.expect else "failed",
        "seconds": round(seconds, 1),
        "detail": next((said for said in reversed(lines) if said and not said.startswith("make:")), ""),
    }


def _json(root: Path, environ: Mapping[str, str], *words: str) -> dict[str, Any]:
    """The JSON object of a command that only reads."""
    done = subprocess.run(
        ("invoke", *words, "--json"), cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise CheckFailed(f"{' '.join(words)} gave no JSON: {done.stderr[-300:]}") from error
    return found


def _page(
    context: Context,
    head: str,
    walked: list[dict[str, Any]],
    problem: str,
    environ: Mapping[str, str],
    environments: list[dict[str, Any]],
) -> Path:
    """The page that a person opens afterwards: every command, where what runs stands, journals and files."""
    from ..files import write_atomically
    from ..report.html import render

    root, state = context.paths.root, context.paths.root / STATE
    journal: list[dict[str, Any]] = []
    files: list[dict[str, Any]] = []
    for name in context.config.environments:
        for row in reversed(
            _json(root, environ, "history", "--env", name, "--limit", "200")["details"]["entries"]
        ):
            journal.append({**row, "environment": name, "package": row["digest"]})
    for file in sorted((*state.glob("*_certified"), *(state / "logs").glob("*"))):
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        files.append({"name": file.name, "href": str(file.relative_to(state)), "sha256": digest})
    text = render(
        {
            "title": f"Rehearsal of {head[:12]}",
            "verdict": "failed" if problem else "succeeded",
            "facts": [["commit", head], ["subject", git.subject(root, head)], ["target", "sandbox"]],
            "steps": walked,
            "stages": [
                {"environment": one["environment"], "commit": one["commit"], **stage}
                for one in environments
                for stage in one.get("stages", ())
            ],
            "verdicts": [],
            "checks": [],
            "journal": journal,
            "files": files,
            "generated_at": f"{context.now():%Y-%m-%dT%H:%M:%SZ}",
        }
    )
    path = state / "report.html"
    write_atomically(path, text.encode())
    return path


def _say_what_is_kept(context: Context, state: Path) -> None:
    """Where the sandbox that was left up can be looked at, and how it is ended."""
    seen = control.status(state / "sandbox")
    context.screen.line("")
    for app in seen.apps if seen else ():
        context.screen.fact(app.name, app.web_url)
    context.screen.fact("look at it", f"export ROADWORTHY_STATE={STATE} ROADWORTHY_TARGET=sandbox")
    context.screen.fact("end it", f"ROADWORTHY_STATE={STATE} ROADWORTHY_TARGET=sandbox invoke sandbox.down")


@contextmanager
def _ending(state: Path, keep: bool) -> Iterator[None]:
    """End what was started, however the walk ends; unless it is to be kept and looked at."""
    try:
        yield
    finally:
        if not keep:
            control.down(state / "sandbox")
