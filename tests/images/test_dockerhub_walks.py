"""Docker Hub, said twice, after a failure, after a kill and by two people: nothing less or else is published."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from roadworthy.commands import dockerhub
from roadworthy.errors import CheckFailed, UsageError
from roadworthy.packages import engine
from roadworthy.packages import registry as images
from roadworthy.packages.wire import opened
from roadworthy.references import Reference, repository

from . import servers
from .hub import Hub, called, published

RELEASE = """
import json, sys
from pathlib import Path
from roadworthy.context import Context
from roadworthy.report.terminal import Screen
from roadworthy.commands import dockerhub
from roadworthy.errors import RoadworthyError
root, environ, words = json.load(sys.stdin)
try:
    print(dockerhub.release(Context(Path(root), Screen(json=True), environ), *words).line)
except RoadworthyError as error:
    sys.exit(str(error))
"""


def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "build", None)  # called, it would raise


def start(hub: Hub, *words: object) -> subprocess.Popen[str]:
    """Release in a process of its own."""
    process = subprocess.Popen(
        (sys.executable, "-c", RELEASE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdin
    process.stdin.write(json.dumps([str(hub.project.root), hub.environ, words]))
    process.stdin.close()
    process.stdin = None
    return process


def put(hub: Hub, tag: str, kind: str, data: bytes) -> None:
    """Somebody else's push of a manifest."""
    with opened(repository(hub.repository), hub.environ) as wire:
        wire.put(tag, kind, data)


def next_commit(hub: Hub, text: str) -> str:
    found = hub.project.commit(hub.files(text, "buildah"))
    hub.project.checkout()
    return found


# ---- platforms -------------------------------------------------------------------------------------------------


def test_what_is_there_for_fewer_platforms_is_not_published(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    assert first.details["platforms"] == ["linux/amd64"] and " for linux/amd64" in first.line
    nothing_is_built(monkeypatch)
    for _ in range(2):
        with pytest.raises(
            CheckFailed, match="is for linux/amd64 and not for linux/arm64: nothing more is pub"
        ):
            dockerhub.release(hub.context, None, hub.repository, "1.0.1", "")
    assert images.tagged(hub.repository, "1.0.1", environ={}) is None
    assert published(hub.context, hub.commit) == [first.details]


def test_what_is_there_for_more_platforms_is_said_as_it_is(hub: Hub) -> None:
    both = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "")
    one = dockerhub.release(hub.context, None, hub.repository, "1.0.1", "linux/arm64/v8")
    assert one.details["platforms"] == both.details["platforms"] == ["linux/amd64", "linux/arm64"]
    assert " for linux/amd64, linux/arm64" in one.line


@pytest.mark.parametrize("lie", ["swapped", "twice"])
def test_an_entry_that_says_another_platform_than_its_image_is_not_published(hub: Hub, lie: str) -> None:
    made = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "")
    index = images.read(made.details["ref"], environ={})
    document = json.loads(index.data)
    first, second = document["manifests"]
    if lie == "swapped":
        first["platform"], second["platform"] = second["platform"], first["platform"]
    else:
        document["manifests"] = [first, first]
    hub.repository += "-other"
    for child in index.children:
        images.promote(f"{made.details['ref'].rpartition('@')[0]}@{child.digest}", hub.repository, environ={})
    put(
        hub,
        f"git-{hub.project.git('rev-parse', '--short', hub.commit)}",
        index.media_type,
        json.dumps(document).encode(),
    )
    what = (
        "is listed as linux/a[a-z0-9]+, and its config says linux/"
        if lie == "swapped"
        else "lists two images of"
    )
    with pytest.raises(CheckFailed, match=what):
        dockerhub.release(hub.context, None, hub.repository, "1.0.0", "")
    assert images.tagged(hub.repository, "1.0.0", environ={}) is None


# ---- a wrong name ----------------------------------------------------------------------------------------------


def test_a_typing_mistake_in_the_name_is_in_nobodys_way(hub: Hub) -> None:
    wrong = dockerhub.release(hub.context, None, f"{hub.repository}x", "1.0.0", "linux/amd64")
    right = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    assert (
        right.details["ref"].startswith(f"{hub.repository}@")
        and right.details["tags"] == wrong.details["tags"]
    )
    for name in ("App", "app:1.0.0", "a b", "-app", "ns//app"):
        with pytest.raises(UsageError, match="is no repository of a registry"):
            dockerhub.release(hub.context, None, f"{hub.repository.rpartition('/')[0]}/{name}", "1.0.0", "")
    kept = hub.context.paths.packages / "dockerhub"
    assert len(list(kept.iterdir())) == 2


# ---- latest ----------------------------------------------------------------------------------------------------


def test_latest_never_goes_back_unsaid(hub: Hub) -> None:
    first, second = hub.commit, next_commit(hub, "two")
    newer = dockerhub.release(hub.context, second, hub.repository, "1.1.0", "linux/amd64")
    older = dockerhub.release(hub.context, first, hub.repository, "1.0.0", "linux/amd64")
    assert "latest" not in older.details["tags"]
    assert f"; latest stays with {second[:12]}, which is newer: LATEST=back moves it" in older.line
    assert hub.tag("latest") == hub.tag("1.1.0") != hub.tag("1.0.0")
    with pytest.raises(UsageError, match="LATEST 'yes': expected back"):
        dockerhub.release(hub.context, first, hub.repository, "1.0.0", "linux/amd64", "yes")
    back = dockerhub.release(hub.context, first, hub.repository, "1.0.0", "linux/amd64", "back")
    assert f"; latest went back from {second[:12]}, which is newer" in back.line
    assert hub.tag("latest") == hub.tag("1.0.0")
    again = dockerhub.release(hub.context, second, hub.repository, "1.1.0", "linux/amd64")
    assert hub.tag("latest") == hub.tag("1.1.0") and again.details == newer.details


def test_latest_stays_where_a_version_line_or_platform_would_be_lost(hub: Hub) -> None:
    dockerhub.release(hub.context, None, hub.repository, "2.0.0", "")
    fewer = dockerhub.push(hub.context, None, hub.repository, "2.0.1")
    assert f"latest stays with {hub.commit[:12]} for linux/arm64, too" in fewer.line
    lower = dockerhub.release(hub.context, next_commit(hub, "two"), hub.repository, "1.9.9", "")
    assert f"latest stays with 2.0.0 ({hub.commit[:12]}), which is a later version" in lower.line
    hub.project.git("checkout", "-q", "--detach", hub.commit)
    hub.project.git("-c", "commit.gpgsign=false", "commit", "-q", "--allow-empty", "-m", "Mend 2.0")
    mended = hub.project.git("rev-parse", "HEAD")
    dockerhub.release(hub.context, hub.project.git("rev-parse", "main"), hub.repository, "3.0.0", "")
    other = dockerhub.release(hub.context, mended, hub.repository, "2.0.2", "")
    assert "which is on another line" in other.line and "latest" not in other.details["tags"]


# ---- twice, after a failure, after a kill, by two ----------------------------------------------------------------


def test_what_is_published_already_is_said_and_not_noted_twice(hub: Hub) -> None:
    first = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    again = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    assert again.line.startswith("already published: ") and again.details == first.details
    assert len(published(hub.context, hub.commit)) == 1


def test_after_a_failed_push_the_same_command_publishes(docker: Hub) -> None:
    stand_in = Path(str(shutil.which("docker", path=docker.environ["PATH"])))
    whole = stand_in.read_text()
    stand_in.write_text(whole.replace('"buildx build") ;;', '"buildx build") STATUS=17 ;;'))
    with pytest.raises(CheckFailed, match="ended with 17"):
        dockerhub.release(docker.context, None, docker.repository, "1.0.0", "")
    stand_in.write_text(whole)
    made = dockerhub.release(docker.context, None, docker.repository, "1.0.0", "")
    assert published(docker.context, docker.commit) == [made.details]


def test_a_kill_between_push_and_entry_is_made_good_without_building_anew(docker: Hub) -> None:
    stand_in = Path(str(shutil.which("docker", path=docker.environ["PATH"])))
    whole = stand_in.read_text()
    stand_in.write_text(whole.replace('"buildx build") ;;', '"buildx build") DIES=1 ;;'))
    killed = start(docker, None, docker.repository, "1.0.0", "")
    assert killed.wait(60) == -signal.SIGKILL and killed.communicate()
    assert published(docker.context, docker.commit) == []
    stand_in.write_text(whole)
    made = dockerhub.release(docker.context, None, docker.repository, "1.0.0", "")
    assert [call[1] for call in called(docker)].count("build") == 1
    assert [docker.tag(name) for name in made.details["tags"]] == [servers.inspect(made.details["ref"])] * 4
    assert published(docker.context, docker.commit) == [made.details]


def test_two_people_at_once_publish_one_image_or_one_of_them_hears_of_it(hub: Hub, tmp_path: Path) -> None:
    other = Hub(tmp_path / "other", "buildah", hub.environ, hub.repository)
    shutil.rmtree(other.project.root)
    shutil.copytree(hub.project.root, other.project.root)
    both = [start(one, None, hub.repository, "1.0.0", "linux/amd64") for one in (hub, other)]
    said = [process.communicate(timeout=100) for process in both]
    for one, process, (out, err) in zip((hub, other), both, said, strict=True):
        noted = published(one.context, hub.commit)
        assert process.returncode == 0 or (not noted and "Traceback" not in err), err
        if noted:
            assert out.startswith("published ")
            assert hub.tag("1.0.0") == hub.tag("latest") == servers.inspect(noted[0]["ref"])
    # Whoever lost takes what the registry has now, under a version that nobody was given.
    again = [
        dockerhub.release(one.context, None, hub.repository, "1.0.1", "linux/amd64") for one in (hub, other)
    ]
    assert {one.details["ref"] for one in again} == {again[0].details["ref"]}
    assert hub.tag("1.0.1") == hub.tag("latest") == servers.inspect(again[0].details["ref"])


def test_a_tag_that_somebody_else_moved_meanwhile_is_not_called_published(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = dockerhub.release(hub.context, None, hub.repository, "1.0.0", "linux/amd64")
    next_commit(hub, "two")
    at = Reference(repository(hub.repository), theirs.details["ref"].rpartition("@")[2])
    manifest, named = images.read(str(at), environ={}), images.named

    def overtaken(ref: str, tag: str, **more: object) -> None:
        named(ref, tag, **more)  # type: ignore[arg-type]
        if tag == "1.1.0":
            put(hub, tag, manifest.media_type, manifest.data)

    monkeypatch.setattr(images, "named", overtaken)
    with pytest.raises(CheckFailed, match=r":1\.1\.0 is sha256:.* somebody else publishes there"):
        dockerhub.release(hub.context, None, hub.repository, "1.1.0", "linux/amd64")
    assert published(hub.context, hub.project.git("rev-parse", "HEAD")) == []
