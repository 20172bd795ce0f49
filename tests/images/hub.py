"""What the tests of Docker Hub share: a project to publish, and a stand-in for docker that notes its calls."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

from packages.repository import Repository

from roadworthy.context import Context
from roadworthy.report.terminal import Screen

from . import servers
from .base import RELEASE_PHASE

RELEASE_TOML = (Path(__file__).parents[2] / "release.toml").read_text()
# What buildx does, done by buildah: build what the last word names, push it, note the digest.
DOCKER = """\
#!/bin/bash
printf '%s\\n' "$(printf '%q ' "$@")" >>"$0.called"
cat >"$0.stdin"
case "$1 $2" in
"version --format") echo 28.2.2+x; exit ;;
"buildx inspect") [ -e "$0.builder" ]; exit ;;
"buildx create") touch "$0.builder"; exit ;;
"buildx build") ;;
*) exit "${STATUS:-0}" ;;
esac
[ -z "$STATUS" ] || { echo "ERROR: no space left" >&2; exit "$STATUS"; }
words=()
while [ $# -gt 0 ]; do
    case "$1" in
    --metadata-file) noted=$2; shift ;;
    --tag) to=$2; shift ;;
    --file | --build-arg | --label) words+=("$1" "$2"); shift ;;
    --platform) platforms=$2; shift ;;
    esac
    last=$1; shift
done
set -e
bud=(buildah bud --quiet --isolation chroot --timestamp 0 --format docker "${words[@]}")
push=(--tls-verify=false --format v2s2 --digestfile "$0.digest")
if [[ $platforms == *,* ]]; then
    list="localhost/stand-in-$$"
    "${bud[@]}" --platform "$platforms" --manifest "$list" "$last"
    buildah manifest push --all "${push[@]}" "$list" "docker://$to"
    buildah manifest rm "$list"
else
    "${bud[@]}" ${platforms:+--platform "$platforms"} --iidfile "$0.id" "$last"
    buildah push "${push[@]}" "$(cat "$0.id")" "docker://$to"
fi >&2
[ -z "$DIES" ] || kill -9 $PPID
printf '{"containerimage.digest": "%s"}' "$(cat "$0.digest")" >"$noted"
"""


class Hub:
    """A project with a commit, and the repository it is published to."""

    def __init__(self, folder: Path, engine_name: str, environ: dict[str, str], place: str) -> None:
        self.repository, self.environ = place, dict(environ)
        self.project = Repository(folder)
        self.commit = self.project.commit(self.files("one", engine_name))
        self.project.checkout()
        self.project.git("tag", "v1.2.3")

    def files(self, text: str, engine_name: str) -> dict[str, str]:
        toml = RELEASE_TOML.replace(
            'kind = "slug"', f'kind = "image"\nrepository = "ns/app"\nengine = "{engine_name}"', 1
        ).replace(RELEASE_PHASE, "")
        dockerfile = "FROM scratch\nARG GIT_SHA\nENV GIT_SHA=$GIT_SHA\nCOPY . /app\n"
        return {"release.toml": toml, "app/Dockerfile": dockerfile, "app/text": text}

    @property
    def context(self) -> Context:
        return Context(self.project.root, Screen(json=True), self.environ)

    def tag(self, name: str) -> bytes:
        return servers.inspect(f"{self.repository}:{name}")


def called(hub: Hub) -> list[list[str]]:
    """How docker was called, without the questions that come first."""
    record = Path(shutil.which("docker", path=hub.environ["PATH"]) + ".called")
    calls = [shlex.split(line) for line in record.read_text().splitlines()]
    return [call for call in calls if call[:2] not in (["buildx", "version"], ["version", "--format"])]


def published(context: Context, commit: str) -> list[dict[str, Any]]:
    log = context.log(f"package-{commit}")
    return [e.record.details["published"] for e in log.entries() if e.record.action == "publish"]
