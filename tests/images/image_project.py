"""A project whose package is an image, on a sandbox that runs images."""

from __future__ import annotations

import contextlib
import json
import os
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from road.project import Project

from roadworthy.sandbox import control

from .base import RELEASE_PHASE

DOCKER_RELEASES = "application/vnd.heroku+json; version=3.docker-releases"
DOCKERFILE = """\
FROM {base}
ARG GIT_SHA
ENV GIT_SHA=$GIT_SHA
COPY . /app
WORKDIR /app
CMD ["python3", "-S", "-E", "-u", "web.py"]
"""
LIMITS = (
    ('http = "1s"', 'http = "30s"'),
    ('release = "1s"', 'release = "5s"'),
    ('boot = "5s"', 'boot = "60s"'),
    ('oneoff = "5s"', 'oneoff = "60s"'),
    ('verify = "2s"', 'verify = "20s"'),
)


class ImageProject(Project):
    """A project whose package is an image; `repository` is where it is pushed."""

    def images_from(self, host: str, base: str) -> None:
        self.host, self.repository = host, f"{host}/build/{self.staging}"
        kind = f'kind = "image"\nrepository = "{self.repository}"\nengine = "buildah"'
        others = [
            (
                f'path = "{name}"\n',
                f'path = "{name}"\n{kind.replace(self.staging, f"{self.staging}-{name}")}\n',
            )
            for name in self.others
        ]
        self.change_config(
            ('kind = "slug"', kind),
            (RELEASE_PHASE, ""),
            ("[targets.sandbox]\n", f'[targets.sandbox]\nregistry = "{host}"\n'),
            *others,
            *LIMITS,
        )
        dockerfile = DOCKERFILE.format(base=base)
        folders = ("app", *self.others)
        self.first = self.commit("Be an image", {f"{name}/Dockerfile": dockerfile for name in folders})

    def of_app(self, place: str) -> str:
        return f"{self.host}/{self.app(place)}/web"

    def runs_image(self, place: str) -> str:
        """What the platform says that `web` runs."""
        here = control.find(self.sandbox)
        headers = {"Authorization": f"Bearer {here.api_key}", "Accept": DOCKER_RELEASES}
        request = urllib.request.Request(f"{here.url}/apps/{self.app(place)}/formation", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            (web,) = json.load(response)
        return str(web["docker_image"]["id"])

    def released_images(self, place: str = "staging") -> list[str]:
        return [r["description"] for r in self.releases(place) if r["description"].startswith("Deployed web")]

    def patches(self) -> list[dict[str, Any]]:
        return [c for c in self.calls() if c["method"] == "PATCH" and c["path"].endswith("/formation")]


@contextlib.contextmanager
def sandboxed(folder: Path, host: str, engine: Mapping[str, str]) -> Iterator[Path]:
    """A sandbox whose registry is at `host`, and the environment in which it runs images."""
    with mock.patch.dict(os.environ, engine):
        control.up(folder, boot_timeout=60, registry=host)
        yield folder
        control.down(folder)


@contextlib.contextmanager
def project_on(made: ImageProject, host: str, base: str) -> Iterator[ImageProject]:
    """The project, whose images come from `host` and are built on `base`, and nothing of it afterwards."""
    made.images_from(host, base)
    yield made
    control.clear_faults(made.sandbox)
    for name in made.apps:
        made.api("DELETE", f"/apps/{name}")
