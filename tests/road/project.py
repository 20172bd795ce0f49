"""A project with a small app of its own on the real sandbox, and the commands that people type.

`invoke` runs a command in this process, through Invoke's own program; `start` runs it as a process of its own,
where signals, exit codes and the death of a holder matter.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from invoke.parser import Parser
from invoke.program import Program

from roadworthy.journal.entry import Entry
from roadworthy.journal.log import Log
from roadworthy.report.answer import Answer
from roadworthy.sandbox import control
from roadworthy.tasks import mount

if TYPE_CHECKING:
    from roadworthy.context import Context

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]
TINY = Path(__file__).parent / "tiny"
KEYS = {"ALLOW_PROD": "1", "ALLOW_PROD_DEPLOY": "YES"}
NOT_INHERITED = (*KEYS, "EVIDENCE_DIR", "ROADWORTHY_STATE", "ROADWORTHY_TARGET", "GITHUB_STEP_SUMMARY")
_numbers = count(1)


@dataclass(frozen=True)
class Ran:
    """How a command ended. `said` is the JSON object of a command with --json."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> dict[str, Any]:
        lines = self.out.splitlines()
        assert len(lines) == 1, self
        found = json.loads(lines[0])
        assert isinstance(found, dict)
        msgspec.convert(found, Answer)  # every command that a test runs answers in the one shape
        return found

    @property
    def text(self) -> str:
        return f"{self.out}\n{self.err}"


def until(look: Callable[[], T | None], within: float = 10.0, every: float = 0.005) -> T:
    """What `look` finds; fails when it found nothing in time."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every)
    return found


def migration(revision: str, down: str | None, safe_under: str = "expand", code_first: bool = True) -> str:
    """The text of a migration file."""
    parent = f'"{down}"' if down else "None"
    return (
        f'revision = "{revision}"\ndown_revision = {parent}\n'
        f'safe_under = "{safe_under}"\ncode_first = {code_first}\n'
    )


class Project:
    """`staging` and `prod` are the apps' names; each project has its own on the shared sandbox.

    `others` are components beside the first, each a copy of the tiny app with apps of its own.
    """

    def __init__(self, root: Path, sandbox: Path, others: Sequence[str] = ()) -> None:
        self.root, self.sandbox, self.others = root, sandbox, others
        number = next(_numbers)
        self.staging, self.prod = f"staging-{number}", f"prod-{number}"
        root.mkdir()
        shutil.copytree(TINY, root / "app", ignore=shutil.ignore_patterns("__pycache__"))
        for name in others:
            shutil.copytree(TINY, root / name, ignore=shutil.ignore_patterns("__pycache__", "migrat*"))
        shutil.copytree(REPOSITORY / "guards", root / "guards", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("tasks.py", "docs/blockers.toml", ".gitignore"):
            (root / name).parent.mkdir(exist_ok=True)
            shutil.copy(REPOSITORY / name, root / name)
        (root / "release.toml").write_text(self._config())
        (root / ".release").mkdir()
        (root / ".release" / "sandbox").symlink_to(sandbox)
        self.git("init", "-q", "-b", "main")
        self.first = self.commit("Say hello")
        control.up(sandbox, apps=self.apps)

    @property
    def apps(self) -> tuple[str, ...]:
        """Every app of it on the sandbox."""
        more = (f"{app}-{name}" for app in (self.staging, self.prod) for name in self.others)
        return (self.staging, self.prod, *more)

    def _config(self) -> str:
        text = (REPOSITORY / "release.toml").read_text()
        for name in self.others:
            text += (
                f'\n[[components]]\ncomponent = "{name}"\npath = "{name}"\ntest = "python -S -c pass"\n'
                f'\n[[checks]]\nname = "{name} is well"\ncomponent = "{name}"\npath = "/api/health"\n'
                'json = { status = "healthy" }\n'
                f'\n[[checks]]\nname = "{name} version"\ncomponent = "{name}"\npath = "/api/version"\n'
                'json = { gitSha = "{commit}" }\n'
            )
        for old, new in (
            ('"autorisen"', f'"{self.staging}"'),
            ('"capecraft"', f'"{self.prod}"'),
            ('aliases = ["autorisen-dac8e65796e7"]', "aliases = []"),
            ('"migrations/versions"', '"migrations"'),
            ('"python -m pytest -q tests"', '"python -S -c pass"'),
            ('"python -m alembic upgrade {revision}"', '"python migrate.py upgrade {revision}"'),
            ('"python -m capecontrol.revision"', '"python migrate.py current"'),
            ('"python -m alembic heads"', '"python migrate.py heads"'),
            ('"python -m alembic history --verbose"', '"python migrate.py history --verbose"'),
            ('poll = "40ms"', 'poll = "10ms"'),
            ('http = "10s"', 'http = "1s"'),
            ('release = "2m"', 'release = "1s"'),
            ('boot = "60s"', 'boot = "5s"'),
            ('oneoff = "15m"', 'oneoff = "5s"'),
            ('verify = "30s"', 'verify = "2s"'),
            ('watch = "2m"', ""),
        ):
            assert old in text, old
            text = text.replace(old, new, 1)
        for app in (self.staging, self.prod) if self.others else ():
            named = ", ".join(f'{name} = "{app}-{name}"' for name in self.others)
            text = text.replace(f'app = "{app}"\n', f'app = "{app}"\napps = {{ {named} }}\n', 1)
        return text

    # ---- the repository ------------------------------------------------------------------------------

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ("git", *who, *words), cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(
        self, message: str, files: Mapping[str, str | None] | None = None, of: str = "app", **mood: object
    ) -> str:
        """A commit with these files (None takes one away) and, with `mood`, an app that behaves like that.

        `of` is the folder of the component whose mood it is.
        """
        for name, text in (files or {}).items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        for folder in ("app", *self.others):
            (self.root / folder / "mood.json").write_text(json.dumps(mood if folder == of else {}))
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def change_config(self, *changes: tuple[str, str]) -> None:
        """Replace text in release.toml, and commit it."""
        path = self.root / "release.toml"
        text = path.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new, 1)
        path.write_text(text)
        self.git("commit", "-q", "-am", "Change limits")

    # ---- commands ------------------------------------------------------------------------------------

    def invoke(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run one command in this process; with its JSON unless it is asked for as a person sees it."""
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with self._environ(env or {}), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                Program(namespace=mount(self.root)).run(["invoke", *words])
            except SystemExit as end:
                code = end.code
        return Ran(int(str(code or 0)), out.getvalue(), err.getvalue())

    def json(self, *words: str, env: Mapping[str, str] | None = None, code: int = 0) -> dict[str, Any]:
        """The JSON object of a command that must end with `code`."""
        ran = self.invoke(*words, "--json", env=env)
        assert ran.code == code, ran.text
        assert ran.said["code"] == code, ran.text
        return ran.said

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command as a process of its own."""
        with self._environ(env or {}):
            return subprocess.Popen(
                (sys.executable, "-m", "invoke", *words),
                cwd=self.root,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

    def process(self, *words: str, env: Mapping[str, str] | None = None) -> Ran:
        """Run a command as a process of its own, to its end."""
        return ended(self.start(*words, env=env))

    def released(self, commit: str = "HEAD") -> None:
        """Take a commit through the stages before deployment, which must succeed."""
        sha = self.git("rev-parse", commit)
        self.json("intake", "--commit", sha)
        self.json("build", "--commit", sha)
        self.json("test", "--commit", sha)
        self.json("accept", "--commit", sha)
        self.json("release", "--commit", sha)

    def deployed(self, commit: str = "HEAD", env: str = "staging") -> dict[str, Any]:
        """Test and deploy a commit, which must succeed."""
        sha = self.git("rev-parse", commit)
        if env == "prod":
            self.released(sha)
        else:
            self.json("test", "--commit", sha)
        return self.json("deploy", "--env", env, "--commit", sha, env=KEYS if env == "prod" else None)

    @contextlib.contextmanager
    def _environ(self, more: Mapping[str, str]) -> Iterator[None]:
        before = dict(os.environ)
        for name in NOT_INHERITED:
            os.environ.pop(name, None)
        os.environ.update(more)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    # ---- what is so ----------------------------------------------------------------------------------

    def context(self) -> Context:
        from roadworthy.context import Context
        from roadworthy.report.terminal import Screen

        return Context(self.root, Screen(json=True, stream=io.StringIO()), {})

    def log(self, place: str = "staging") -> Log:
        return self.context().log(place)

    def entries(self, place: str = "staging") -> list[Entry]:
        """The journal, verified."""
        return self.log(place).entries()

    def kinds(self, place: str = "staging") -> list[str]:
        """The journal in short: `start deploy`, `end deploy`, …"""
        return [f"{e.record.kind} {e.record.action}" for e in self.entries(place)]

    def calls(self, place: str = "staging") -> list[dict[str, Any]]:
        """The changing calls to the API that name the app, in order."""
        app = self.app(place)
        lines = (self.sandbox / "access.log").read_text().splitlines()
        return [call for call in map(json.loads, lines) if f"/apps/{app}/" in call["path"] + "/"]

    def changes(self, place: str = "staging") -> list[dict[str, Any]]:
        """The same without what only asks: one-offs that ask the database for its revision, and reading the log."""
        asks = "python migrate.py current"
        calls = [call for call in self.calls(place) if call.get("command") != asks]
        return [call for call in calls if not str(call["path"]).endswith("/log-sessions")]

    def releases(self, place: str = "staging") -> list[dict[str, Any]]:
        """The platform's own list, oldest first."""
        found: list[dict[str, Any]] = self.api("GET", f"/apps/{self.app(place)}/releases")
        return sorted(found, key=lambda release: int(release["version"]))

    def one_offs(self) -> list[str]:
        """The one-off processes of staging that run now."""
        dynos = self.api("GET", f"/apps/{self.staging}/dynos")
        return [str(dyno["name"]) for dyno in dynos if dyno["type"] == "run"]

    def app(self, place: str) -> str:
        """The app of an environment; `staging worker` is that of its component `worker`."""
        name, _, component = place.partition(" ")
        app = {"staging": self.staging, "prod": self.prod}[name]
        return f"{app}-{component}" if component else app

    def api(self, method: str, path: str, body: object = None) -> Any:
        """Somebody else's call to the platform."""
        here = control.find(self.sandbox)
        assert here is not None
        headers = {"Authorization": f"Bearer {here.api_key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(here.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def get(self, path: str, place: str = "staging") -> tuple[int, Any]:
        """Ask the app what a visitor would."""
        url = str(self.api("GET", f"/apps/{self.app(place)}")["web_url"]).rstrip("/")
        try:
            with urllib.request.urlopen(url + path, timeout=5) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None

    def runs(self, place: str = "staging") -> str:
        """The commit that answers."""
        return str((self.get("/api/version", place)[1] or {}).get("gitSha", ""))

    def forge(self, commit: str, action: str, digest: str, *, well: bool = True) -> None:
        """What somebody with the key writes about a package past the commands: a start and its outcome."""
        from roadworthy.facts.standing import STAGES
        from roadworthy.journal import lock
        from roadworthy.journal.entry import Record

        place = f"package-{commit}"
        subject = f"slug:{commit}" if digest else "none"
        words = (STAGES[action], action, place, "sandbox", subject, digest)
        start = self.log(place).append(Record("start", *words, {"actor": lock.this_process()}))
        outcome = {"settles": start.seq, "outcome": "succeeded" if well else "failed"}
        self.log(place).append(Record("end" if well else "failed", *words, outcome))

    # ---- what goes wrong -----------------------------------------------------------------------------

    def faults(self, *faults: Mapping[str, object]) -> None:
        """Arm these faults; paths are below the staging app's, but for blobs, which are below none."""
        app = f"/apps/{self.staging}"
        there = (
            app + str(f["path"]) if not str(f["path"]).startswith("/blobs") else f["path"] for f in faults
        )
        armed = [{**fault, "path": path} for fault, path in zip(faults, there, strict=True)]
        control.set_faults(self.sandbox, armed)

    def faults_at(self, *faults: Mapping[str, object]) -> None:
        """Arm these faults as they are."""
        control.set_faults(self.sandbox, list(faults))

    def faults_of(self, place: str, *faults: Mapping[str, object]) -> None:
        """Arm these faults below the app of an environment or of a component."""
        app = f"/apps/{self.app(place)}"
        control.set_faults(self.sandbox, [{**fault, "path": f"{app}{fault['path']}"} for fault in faults])

    def break_log_at_check(self, fault: Mapping[str, object]) -> None:
        """Break the log when the app is next asked for its health: by then all one-offs have ended."""
        here = control.find(self.sandbox)
        assert here is not None
        path = f"/apps/{self.staging}/log-sessions"
        faults = [{**fault, "method": "POST", "path": path, "count": 9}]
        self.mood(put_at_health=[f"{here.url}/_sandbox/faults", here.api_key, faults])

    def armed(self) -> list[dict[str, Any]]:
        """The faults that still wait for a call."""
        return control.get_faults(self.sandbox)

    def database(self, place: str = "staging") -> Path:
        url = self.api("GET", f"/apps/{self.app(place)}/config-vars")["DATABASE_URL"]
        return Path(url.removeprefix("sqlite:///"))

    def revision(self, place: str = "staging") -> str | None:
        """Where the database really is."""
        with contextlib.closing(sqlite3.connect(self.database(place))) as database:
            try:
                rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
            except sqlite3.OperationalError:
                return None
        return rows[0][0] if rows else None

    def migrated_by_hand(self, revision: str | None, place: str = "staging") -> None:
        """Say in the database that it is at this revision; None empties the table, as a restored copy may be."""
        with contextlib.closing(sqlite3.connect(self.database(place))) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS alembic_version (version_num TEXT)")
            database.execute("DELETE FROM alembic_version")
            database.executemany("INSERT INTO alembic_version VALUES (?)", [(revision,)] if revision else [])

    def mood(self, place: str = "staging", **mood: object) -> None:
        """Make the running app behave differently, from now on and without a release."""
        path = self.database(place)
        path.with_name(path.name + ".mood").write_text(json.dumps(mood))


def parses(line: str) -> None:
    """See that a line is a command which can be copied. Raises invoke's ParseError when it is none of ours."""
    words = [word for word in shlex.split(line) if not word.startswith("ALLOW_PROD")]
    assert all(words), line
    if words[0] == "git":
        assert words[1:3] in (["status", "--short"], ["show", "--stat"]), line
        return
    assert words[0] == "invoke", line
    (task,) = _parser().parse_argv(words[1:])
    assert task.name, line


@cache
def _parser() -> Parser:
    return Parser(contexts=mount(REPOSITORY).to_contexts())


def ended(process: subprocess.Popen[str], within: float = 60.0) -> Ran:
    """How a process ended; it is killed when it does not."""
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"it did not end: {out}{err}") from None
    return Ran(process.returncode, out, err)


def paths(calls: Sequence[Mapping[str, Any]], ending: str) -> list[Mapping[str, Any]]:
    """The calls whose path ends like that and that reached the platform's own code."""
    return [call for call in calls if str(call["path"]).endswith(ending)]
