"""The road from the first command to the last, with what goes wrong on it, and a secret in every credential."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from canaries import Search, awkward, canary, private_key
from hostile import Answer, Asked, server
from road.project import KEYS, migration
from secret_project import TOLD, SecretProject
from watching import CommandLines

from roadworthy.commands import rehearse
from roadworthy.context import Context
from roadworthy.report.terminal import Screen
from roadworthy.sandbox import control

TRACEBACK: Final = "Traceback (most recent call last): "


@dataclass
class Journey:
    """`project` after all commands; the sandbox is down.

    `environs` are those of processes of the app, `buckets` what the providers of buckets were asked.
    """

    project: SecretProject
    search: Search
    api_key: str
    command_lines: CommandLines
    environs: list[bytes] = field(default_factory=list)
    buckets: dict[str, list[Asked]] = field(default_factory=dict)


@contextmanager
def walk(place: Path) -> Iterator[Journey]:
    """Walk it in `place`; ends what it started."""
    sandbox, pem, api_key = place / "sandbox", private_key(), canary("apikey")
    sandbox.mkdir()
    (sandbox / control.KEY_FILE).touch(mode=0o600)
    (sandbox / control.KEY_FILE).write_text(api_key)
    credentials = {
        "HEROKU_API_KEY": canary("heroku"),
        "GITHUB_TOKEN": canary("github"),
        "ROADWORTHY_SIGNING_KEY": pem,
        "AWS_ACCESS_KEY_ID": "AKIDOFTHEJOURNEY",
        "AWS_SECRET_ACCESS_KEY": canary("aws"),
        "AWS_SESSION_TOKEN": canary("session"),
        "AZURE_STORAGE_SAS_TOKEN": f"sv=2024&sig={canary('sas')}%3D",
        "GOOGLE_BEARER_TOKEN": canary("google"),
        "DOCKERHUB_USERNAME": "somebody",
        "DOCKERHUB_TOKEN": canary("dockerhub"),
        "PGPASSWORD": canary("pg"),
        "SOME_PASSWORD": canary("unrelated"),
        "HTTP_PROXY": f"http://proxy:{canary('proxy')}@127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }
    told = canary("told")
    config = {
        "SECRET_KEY": canary("key"),
        "AWKWARD": awkward("awk"),
        "ENDPOINT": f"https://user:{canary('url')}@example.org/?q=1",
        "ENCODED": f"key={told}",
    }
    with CommandLines(place / "tmp") as seen:
        try:
            control.up(sandbox, database="postgres", boot_timeout=5)
            project = SecretProject(place / "project", sandbox, credentials, config)
            journey = Journey(project, Search(keys=[pem]), api_key, seen)
            token = canary("remote")
            with (project.root / ".git/config").open("a") as file:  # `git remote add` is a command line
                file.write(f'[remote "origin"]\n\turl = http://x:{token}@127.0.0.1:9/repository.git\n')
            (project.root / ".env").write_text(f'REGISTRY_TOKEN="{canary("dotenv")}"\n')
            database = project.api("GET", f"/apps/{project.staging}/config-vars")["DATABASE_URL"]
            password = database.partition("@")[0].rpartition(":")[2]
            kept = (sandbox / "postgres-password").read_text()
            keys = [pem]
            _road(project, place, journey)
            keys.append((project.root / ".release/keys/sandbox").read_text())
            keys.append((place / "tmp/keys/release").read_text())
            keys.append((project.root / ".release/rehearsal/keys/sandbox").read_text())
            journey.search = Search((password, kept), keys)
        finally:
            control.down(sandbox)
    yield journey


def _road(project: SecretProject, place: Path, journey: Journey) -> None:
    both, run = project.both, project.run
    summary, tell = str(place / "tmp/summary.md"), list(TOLD)
    run("sandbox.down")
    run("sandbox.up", "--database", "postgres", own_process=True)
    both("sandbox.status")
    both("verify", code=2)
    both("deploy", code=3)
    both("test")
    both("intake")
    both("build")
    both("accept")
    both("release")
    both("deploy", "--plan")
    both("deploy")
    dyno, home = (
        b"\0DYNO=web.1\0",
        f"\0HOME={project.sandbox}".encode(),
    )  # of ours, for other sandboxes may run
    environs = (_read(path) for path in Path("/proc").glob("[0-9]*/environ"))
    journey.environs = [environ for environ in environs if dyno in environ and home in environ]
    project.mood(tell=tell, tell_bare=True)
    both("migrate", code=3)  # the database's answer cannot be read, and is quoted
    project.mood(cannot_connect=True, tell=tell)
    both("migrate", code=1)
    project.mood()
    both("migrate")
    project.commit("Begin a new log")
    run("test")
    run("deploy", "--json")
    both("verify")
    both("smoke", "--junit", ".release/junit.xml", GITHUB_STEP_SUMMARY=summary)
    both("certify")
    _told(project, summary)
    _failed(project)
    project.run("ship", "--log", own_process=True)
    both("rollback")
    both("certify")
    both("deploy", "--env", "prod", code=2)
    for action in ("intake", "build", "accept", "release"):
        run(action, "--env", "prod", "--commit", project.runs())
    run("deploy", "--env", "prod", "--commit", project.runs(), **KEYS)
    run("migrate", "--env", "prod", "--approval", "CR-1", **KEYS)
    run("complete", "--env", "prod", **KEYS)
    both("decide", "--env", "prod", "--commit", project.runs())
    both("smoke", "--env", "prod")
    _config_and_drift(project)
    _unknown(project)
    for action in ("deploy", "migrate", "rollback", "certify", "adopt"):
        both("guards.explain", "--action", action)
    both("status", code=1)
    both("history")
    both("why")
    both("why", "--env", "prod")
    both("sandbox.faults")
    both("sandbox.env")
    both("sandbox.logs", "--num", "1500")
    keys = place / "tmp/keys"
    keys.mkdir(mode=0o700)
    run("evidence.keys", "--folder", str(keys))
    both("evidence.audit")
    both("evidence.anchor", code=1)
    run("evidence.export", "--release", "v6", "--to", str(place / "tmp/export"))
    key = project.sandbox / control.KEY_FILE
    right = key.read_text()
    key.write_text(canary("wrong"))
    both("status", code=1)
    both("verify", code=2)
    key.write_text(right)
    run("sandbox.down")
    both("deploy", code=2)
    _live(project, keys)
    _buckets(project, journey)
    _engine(project, place)
    _rehearsal(project)


def _live(project: SecretProject, keys: Path) -> None:
    """What can be done on the live target without a platform, signed with the key whose text CI holds."""
    (keys / "ci").touch(mode=0o600)
    (keys / "ci").write_text(project.secrets["ROADWORTHY_SIGNING_KEY"])
    project.run("evidence.keys", "--name", "ci", "--import", str(keys / "ci"))
    rule = {"key": "ci", "target": "live", "environments": ["*"], "stages": ["*"], "actions": ["*"]}
    lines = [f"{name} = {json.dumps(value)}" for name, value in rule.items()]
    policy = project.root / ".release/trust/trust.toml"
    policy.write_text("\n".join(["version = 1", "[[rule]]", *lines, ""]))
    project.change_config(('target = "sandbox"', 'target = "live"'))
    project.both("test")
    project.both("evidence.audit")
    project.both("history")
    project.both("lock.status")
    project.both("evidence.anchor", code=2)
    project.both("test", code=2, ROADWORTHY_SIGNING_KEY=canary("broken"))
    project.both(
        "history", code=2, ROADWORTHY_SIGNING_KEY=f"-----BEGIN PRIVATE KEY-----\n{canary('broken')}\n"
    )
    project.change_config(('target = "live"', 'target = "sandbox"'))


def _told(project: SecretProject, summary: str) -> None:
    """The running app tells its secrets: in its log, and in its answers."""
    project.mood(tell=[TRACEBACK + told for told in TOLD], health="{DATABASE_URL} and {SECRET_KEY}")
    project.both("smoke", "--junit", ".release/junit-failed.xml", code=1, GITHUB_STEP_SUMMARY=summary)
    project.both("verify", code=1)
    project.both("certify", code=1)
    project.mood()


def _failed(project: SecretProject) -> None:
    """A package that dies at its boot, one that fails its check, and a migration that fails in a ship."""
    project.commit("Die", boot="die", tell=list(TOLD))
    project.run("test")
    project.run("deploy", code=1)
    project.commit("Be ill", health="{AWKWARD}", tell=list(TOLD))
    project.run("test")
    project.run("deploy", "--json", code=1)
    project.commit("Migrate", {"app/migrations/0002.py": migration("0002", "0001")})
    project.mood(cannot_connect=True, tell=list(TOLD))
    project.run("ship", "--log", code=1)
    project.mood()


def _unknown(project: SecretProject) -> None:
    """A release whose outcome is not known, and both ways out of it."""
    project.commit("Wait")
    project.run("test")
    project.faults({"kind": "release_pending", "method": "POST", "path": "/releases"})
    project.run("deploy", "--json", code=4, own_process=True)
    project.both("lock.status")
    project.both("reconcile", code=4)
    (token,) = (start.seq for start in [project.log().open_start()] if start)
    project.run("lock.unlock", "--token", str(token), "--reason", "proven dead")
    control.clear_faults(project.sandbox)


def _config_and_drift(project: SecretProject) -> None:
    """A config var that the road sets, and one that somebody sets past it."""
    value = awkward("set")
    project.run("config", "--set", "SET", "--plan", SET=value)
    project.run("config", "--set", "SET", own_process=True, SET=value)
    project.run("config", "--set", "SET", "--json", SET=canary("again"))
    project.api("PATCH", f"/apps/{project.staging}/config-vars", {"BY_HAND": canary("hand")})
    project.both("status", code=1)
    project.run("adopt", "--why", "it is needed")
    project.run("adopt", "--why", "it is needed", "--json", code=3)


def _buckets(project: SecretProject, journey: Journey) -> None:
    """Journals in buckets that let nobody in, and that give back all that they were sent."""

    def refused(asked: Asked) -> Answer:
        said = f"{asked.path} {dict(asked.headers)}"
        return 403, {"Content-Type": "application/xml"}, f"<Error><Code>{said}</Code></Error>".encode()

    config = project.root / "release.toml"
    before = config.read_text()
    for scheme in ("s3", "az", "gs"):
        with server(refused) as provider:
            endpoint = f"{provider.url}/account" if scheme == "az" else provider.url
            table = (
                f'[journal]\nstore = "{scheme}://bucket/journals"\nendpoint = "{endpoint}"\nsandbox = true\n'
            )
            config.write_text(f"{before}\n{table}")
            project.both("history", code=2)
            project.run("test", "--json", code=2, own_process=True)
            journey.buckets[scheme] = provider.asked
    config.write_text(before)


def _engine(project: SecretProject, place: Path) -> None:
    """An engine that says the token that it is handed."""
    folder = place / "bin"
    folder.mkdir()
    (folder / "podman").write_text("#!/bin/sh\ncat >&2\nexit 1\n")
    (folder / "podman").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    project.both("dockerhub.login", "--repository", "docker.io/a/b", code=1, PATH=path)


def _rehearsal(project: SecretProject) -> None:
    """One that ends at its second step, for the tests tell their environment and fail; and a page about it all."""
    code = "import os; print(os.environ); raise SystemExit(1)"
    tells = f"'python -S -c \"{code}\"'"
    project.change_config(('"python -S -c pass"', tells))
    project.commit("Tell in the tests")
    project.run("rehearse", "--json", code=1)
    page = project.root / rehearse.STATE / "report.html"
    shutil.copy(page, page.with_name("rehearsed.html"))
    state = {"ROADWORTHY_TARGET": "sandbox", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    rows = [
        {
            "name": words[0],
            "command": " ".join(words),
            "exit": ran.code,
            "outcome": "failed" if ran.code else "succeeded",
            "seconds": 0.0,
            "detail": ran.text,
        }
        for words, ran in project.ran
        if words[0] != "sandbox.env"  # it says the key of the sandbox
    ]
    context = Context(project.root, Screen(json=True, stream=io.StringIO()), {})
    environ = {**os.environ, **project.secrets, **state}
    environments = project.json("status", code=1)["details"]["environments"]
    rehearse._page(context, project.git("rev-parse", "HEAD"), rows, "", environ, environments)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
