"""A real registry on a free port, and the tools that build and judge images, each ended by its id."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stores.servers import free_port, process

TOOLS = ("buildah", "skopeo", "docker-registry")
# bcrypt of "canary-of-the-password", made with htpasswd -B: docker-registry takes no other kind.
HTPASSWD = "somebody:$2b$05$Ex4rC5SVpEZlh8G7uLrRaucoPw06pR0WSmEiYK1HVqjDrc.V1f/EC\n"
USER, PASSWORD = "somebody", "canary-of-the-password"


def missing() -> list[str]:
    """The tools that these tests need and this machine has not."""
    return [tool for tool in TOOLS if not shutil.which(tool)]


@dataclass(frozen=True)
class Registry:
    """A registry at `host` ("127.0.0.1:PORT") that keeps everything below `folder`."""

    host: str
    folder: Path

    def blob(self, digest: str) -> Path:
        """The file in which the registry keeps a blob or manifest."""
        hexed = digest.removeprefix("sha256:")
        return self.folder / f"docker/registry/v2/blobs/sha256/{hexed[:2]}/{hexed}/data"


@contextlib.contextmanager
def registry(folder: Path, *, htpasswd: str = "") -> Iterator[Registry]:
    """docker-registry on a free port; with `htpasswd` it wants a login."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if htpasswd:
        (folder / "htpasswd").write_text(htpasswd)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    words = ["docker-registry", "serve", str(folder / "config.yml")]
    with process(words, folder / "registry.log", port):
        yield Registry(f"127.0.0.1:{port}", folder / "data")


def containers(folder: Path, insecure: str = "") -> dict[str, str]:
    """The environment that keeps everything that buildah and podman store below `folder`.

    From the registry `insecure` they take base images over plain http.
    """
    storage = folder / "storage.conf"
    folder.mkdir(parents=True, exist_ok=True)
    roots = f'graphroot = "{folder / "graph"}"\nrunroot = "{folder / "run"}"\n'
    storage.write_text(f'[storage]\ndriver = "overlay"\n{roots}')
    registries = folder / "registries.conf"
    registries.write_text(f'[[registry]]\nlocation = "{insecure}"\ninsecure = true\n' if insecure else "")
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    files = {"CONTAINERS_STORAGE_CONF": str(storage), "CONTAINERS_REGISTRIES_CONF": str(registries)}
    return {**kept, **files, "BUILDAH_ISOLATION": "chroot"}


def let_go(folder: Path) -> None:
    """Undo the mount that the tools leave over their store in `folder`, so that it can be removed."""
    mounted = folder / "graph" / "overlay"
    if mounted.is_mount():
        subprocess.run(["umount", "--lazy", mounted], check=True, timeout=60)


def run(words: list[str | Path], environ: dict[str, str], **options: object) -> str:
    """What a tool says; its complaint when it ends badly."""
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}: {done.stderr[-2000:]}"
    return done.stdout


def inspect(ref: str, *words: str) -> bytes:
    """What skopeo, which shares no code with us, reads there: the raw manifest unless told otherwise."""
    command = ["skopeo", "inspect", "--tls-verify=false", *(words or ("--raw",)), f"docker://{ref}"]
    return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout
