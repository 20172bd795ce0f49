"""The engine that builds images: docker with buildx, podman or buildah, driven by its command line.

- The words of each command are made by pure functions, and no secret is among them: engines read their logins
  from files. Of the caller's surroundings an engine sees PASSED_ON and nothing else.
- Of what it said the end is quoted, for there the reason stands; secrets are hidden before anything is cut off.
- An engine that takes too long ends with everything that it started.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import msgspec

from ..config_rules import ENGINES
from ..errors import CheckFailed, UsageError
from ..http import is_loopback
from ..mask import Mask
from ..references import DIGEST, Repository
from . import credentials

WITHIN: Final = 1800.0  # seconds for one command of an engine
QUICKLY: Final = 20.0  # seconds for a question to an engine
BUILDER: Final = "multiarch-builder"  # docker's own builder makes one platform at a time
LAST_LINES: Final = 12  # of an engine that failed, in the message
LONGEST_LINE: Final = 300  # characters of each, its last
_LOOKED_AT: Final = (
    1 << 16
)  # bytes at the end of what it said; far more than is shown, for secrets are long, too
PASSED_ON: Final = (
    *(
        "PATH",
        "HOME",
        "TMPDIR",
        "XDG_RUNTIME_DIR",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
    ),  # where it keeps things
    *(
        "DOCKER_HOST",
        "DOCKER_CONTEXT",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_VERIFY",
        "BUILDX_BUILDER",
    ),  # where it runs
    *("DOCKER_CONFIG", "REGISTRY_AUTH_FILE"),  # its logins; handover.py adds what it does not read
    *("BUILDAH_ISOLATION", "STORAGE_DRIVER", "CONTAINERS_CONF"),  # how it works
    *("CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE"),
)
Words = tuple[str, ...]


class Job(msgspec.Struct, frozen=True):
    """What is built from which folder, and where it goes: `to` under `tag`. `work` is a folder for notes."""

    commit: str
    folder: Path
    dockerfile: str
    to: Repository
    tag: str
    platforms: tuple[str, ...]
    build_args: Mapping[str, str]
    work: Path

    @property
    def name(self) -> str:
        """What it is called in the registry, for people."""
        return f"{self.to}:{self.tag}"

    @property
    def noted(self) -> Path:
        """The file in which the engine says the digest that it pushed."""
        return self.work / "digest"

    @property
    def built(self) -> Path:
        """The file in which podman and buildah say the id of what they built."""
        return self.work / "id"

    @property
    def index(self) -> str:
        """The name of a list of several platforms, on this machine."""
        # Of no other build here: the folder's own name is unique, but not every letter of it may be in an image's.
        return f"localhost/roadworthy-{self.commit[:12]}-{self.work.name.encode().hex()}"


def find(said: str, environ: Mapping[str, str]) -> str:
    """The engine that `package.engine` says, or the first that is there. Raises UsageError."""
    for engine in (said,) if said else ENGINES:
        if shutil.which(engine, path=environ.get("PATH")) and (engine != "docker" or _buildx(environ)):
            return engine
    what = f"{said} is" if said else "neither docker with buildx nor podman nor buildah is"
    raise UsageError(f"an image is built by an engine, and {what} not here: install one")


def build(engine: str, job: Job) -> tuple[Words, ...]:
    """The commands that build. Docker's builds and pushes at once: buildx keeps no image of several platforms."""
    if engine == "docker":
        # Attestations make an OCI index of any image, which not every platform's registry takes.
        alone = ("--provenance=false", "--sbom=false", "--metadata-file", str(job.noted))
        by = ("--builder", BUILDER) if job.platforms[1:] else ()
        words = (*by, *_said(job), *alone, "--tag", job.name, "--push", str(job.folder))
        return (("docker", "buildx", "build", *words),)
    kept = ("--manifest", job.index) if job.platforms[1:] else ("--iidfile", str(job.built))
    return ((engine, *_plainly(engine), *_said(job), *kept, str(job.folder)),)


def keep(engine: str, job: Job, names: Words) -> Words:
    """The command that builds for this machine alone, under these names, and pushes nothing."""
    named = tuple(word for name in names for word in ("--tag", name))
    return (engine, *_plainly(engine), *_said(job), *named, str(job.folder))


def _said(job: Job) -> Words:
    """What every engine is told in the same words."""
    args = {**job.build_args, "GIT_SHA": job.commit}
    return (
        *("--file", str(job.folder / job.dockerfile)),
        *(word for name, value in args.items() for word in ("--build-arg", f"{name}={value}")),
        *("--label", f"org.opencontainers.image.revision={job.commit}"),
        *(("--platform", ",".join(job.platforms)) if job.platforms else ()),
    )


def _plainly(engine: str) -> Words:
    if engine == "docker":
        return ("build",)
    # A proxy of this machine is for the engine, not for the image; time 0 makes equal layers equal.
    plain = ("--format", "docker", "--timestamp", "0", "--http-proxy=false")
    return ("bud" if engine == "buildah" else "build", *plain)


def prepare(engine: str, job: Job, environ: Mapping[str, str]) -> None:
    """See that docker has a builder for several platforms, where they are asked for."""
    if engine == "docker" and job.platforms[1:]:
        try:
            run(("docker", "buildx", "inspect", BUILDER), environ, QUICKLY)
        except CheckFailed:
            run(("docker", "buildx", "create", "--name", BUILDER, "--driver", "docker-container"), environ)


def push(engine: str, job: Job) -> tuple[Words, ...]:
    """The commands that push what `build` built, once."""
    if engine == "docker":
        return ()
    words = ("--format", "v2s2", "--digestfile", str(job.noted), *_tls(engine, job.to.registry))
    if job.platforms[1:]:
        send = (engine, "manifest", "push", "--all", *words, job.index, f"docker://{job.name}")
        return (send, (engine, "manifest", "rm", job.index))
    return ((engine, "push", *words, job.built.read_text().strip(), f"docker://{job.name}"),)


def login(engine: str, registry: str, user: str) -> Words:
    """The command that logs in; the password goes to its standard input."""
    return (engine, "login", *_tls(engine, registry), "--username", user, "--password-stdin", registry)


def logout(engine: str, registry: str) -> Words:
    """The command that forgets the login."""
    return (engine, "logout", registry)


def version(engine: str, environ: Mapping[str, str]) -> str:
    """The version of docker's daemon, or the engine's name and version; "unknown" when it does not say."""
    words = (
        (engine, "version", "--format", "{{.Server.Version}}")
        if engine == "docker"
        else (engine, "--version")
    )
    try:
        said = run(words, environ, QUICKLY)
    except CheckFailed:
        return "unknown"
    if engine == "docker":
        return said.strip() or "unknown"
    found = re.search(r"[0-9]+(\.[0-9]+)+", said)
    return f"{engine}-{found[0]}" if found else "unknown"


def _tls(engine: str, registry: str) -> Words:
    """Plain http, to this machine alone; docker does that by itself."""
    loopback = engine != "docker" and is_loopback(f"http://{registry}")
    return ("--tls-verify=false",) if loopback else ()


def digest(engine: str, job: Job) -> str:
    """What the engine says that it pushed. Raises CheckFailed when it says nothing of the kind."""
    try:
        said = job.noted.read_text()
        if engine == "docker":
            said = str(msgspec.json.decode(said)["containerimage.digest"])
    except (OSError, ValueError, KeyError, TypeError):
        said = ""
    if not re.fullmatch(DIGEST, said.strip()):
        raise CheckFailed(f"{engine} does not say which digest it pushed to {job.name}: look at the registry")
    return said.strip()


def run(words: Words, environ: Mapping[str, str], within: float = WITHIN, password: str = "") -> str:
    """Run one command to its end; the last that it said. `password` goes to its standard input.

    Raises CheckFailed, with its last lines, when it does not end with 0.
    """
    passed = {name: environ[name] for name in PASSED_ON if name in environ}
    what = " ".join(words[:3] if words[1] in ("buildx", "manifest") else words[:2])
    hide = Mask((password, *credentials.secrets(environ)))
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(password.encode())
        given.seek(0)
        try:
            engine = subprocess.Popen(
                words,
                env={**passed, "LC_ALL": "C"},
                stdin=given,
                stdout=said,
                stderr=said,
                process_group=0,
            )
        except OSError as error:
            raise UsageError(f"{words[0]} cannot be started: {error.strerror}") from error
        with engine:
            try:
                status = engine.wait(within)
            except subprocess.TimeoutExpired as error:
                os.killpg(engine.pid, signal.SIGKILL)
                raise CheckFailed(f"{what} did not end within {within:g} s\n{_last(said, hide)}") from error
            except BaseException:
                os.killpg(engine.pid, signal.SIGKILL)
                raise
        if status:
            raise CheckFailed(f"{what} ended with {status}\n{_last(said, hide)}".rstrip())
        return _last(said, hide)


def _last(said: IO[bytes], hide: Mask) -> str:
    """The last lines, and of a long one its end. Secrets are hidden first: half of one is not found any more."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - _LOOKED_AT))
    lines = hide(said.read().decode("utf-8", "replace")).splitlines()[-LAST_LINES:]
    return "\n".join(f"  {_end(''.join(c for c in line if c.isprintable()))}" for line in lines)


def _end(line: str) -> str:
    return line if len(line) <= LONGEST_LINE else f"…{line[-LONGEST_LINE:]}"


def _buildx(environ: Mapping[str, str]) -> bool:
    try:
        run(("docker", "buildx", "version"), environ, QUICKLY)
    except CheckFailed:
        return False
    return True
