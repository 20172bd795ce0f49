"""Docker Hub: publish the image of a commit under the names that people look for, and note its digest.

Nothing here touches an environment. The image is built once, from the commit's tree, and found again by its tag
`git-<short>`; the other tags are names for the same digest. A version that names another commit's image is never
moved. The engine's tag is, and so is `latest`, but never back unless somebody says so: to an older commit or
version, or to an image of fewer platforms. Nothing is published that is not for every platform that was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from .. import git, references
from ..config_rules import PLATFORM
from ..errors import CheckFailed, UsageError
from ..execution.signing import require
from ..files import read_file
from ..journal.entry import place_of
from ..model import Outcome, Result
from ..packages import built_for, engine, image, registry, versions
from ..record import evidence_of

if TYPE_CHECKING:
    from ..config import PackageRules
    from ..context import Context

NAME: Final = "build"
DEFAULT: Final = ("linux/amd64", "linux/arm64")
BACK: Final = "back"  # the word by which `latest` may go back


def release(
    context: Context, said: str | None, repository: str, tag: str, platforms: str, latest: str = ""
) -> Result:
    """Publish the commit's image for several platforms, under all four tags."""
    wanted = tuple(platforms.split(",")) if platforms else DEFAULT
    if wrong := [one for one in wanted if not re.fullmatch(PLATFORM, one)]:
        raise UsageError(f"PLATFORMS {wrong[0][:60]!r}: expected linux/amd64,linux/arm64 or the like")
    return _publish(context, said, repository, tag, wanted, latest)


def push(context: Context, said: str | None, repository: str, tag: str, latest: str = "") -> Result:
    """Publish the commit's image for the engine's own platform, under its version and `latest`."""
    return _publish(context, said, repository, tag, (), latest)


def _publish(
    context: Context, said: str | None, repository: str, tag: str, platforms: tuple[str, ...], latest: str
) -> Result:
    root, environ = context.paths.root, context.environ
    if latest not in ("", BACK):
        raise UsageError(f"LATEST {latest[:60]!r}: expected {BACK}, which allows an older image, or nothing")
    commit = git.resolve(root, said)
    version = versions.version(tag, git.describe(root, commit))
    rules = _rules(context, repository, platforms)
    if context.signer is None:
        raise UsageError(
            "there is no signing key to record what is published: set ROADWORTHY_SIGNING_KEY_FILE"
        )
    require(context, place_of(commit), ("publish",))
    built_by = engine.version(engine.find(rules.engine, environ), environ)
    names = versions.tags(version, built_by, git.short(root, commit))
    # An image of one platform is found by its version; a release of several by its commit.
    given, found_by, kind = (names, names[3], "release") if platforms else (names[:2], names[0], "push")
    if taken := registry.tagged(rules.repository, version, environ=environ):
        image.check_commit(taken, commit, environ)
    context.changes(
        f"build {commit[:12]} unless it is built, and publish it as {', '.join(given)} of {repository}"
    )
    with context.screen.step(f"building and pushing {commit[:12]} unless it is published"):
        store = _store(context, rules.repository, kind)
        _forget_unpublished(context, store, commit)
        made = image.find_or_build(root, commit, rules=rules, store=store, environ=environ, tag=found_by)
        there = built_for.platforms(registry.read(made.ref, environ=environ), environ=environ)
    if lacks := built_for.lacking(platforms, there):
        raise CheckFailed(
            f"{found_by} of {rules.repository} is for {', '.join(there)} and not for {', '.join(lacks)}: nothing "
            "more is published. An image is built once for a commit: commit again, and ask for all of them"
        )
    stays = _why_latest_stays(context, rules.repository, made, there, version)
    if stays and not latest:
        given = tuple(name for name in given if name != versions.LATEST)
    _look_again(rules.repository, made, (found_by,), environ)
    before = {name: registry.tagged(rules.repository, name, environ=environ) for name in given}
    for name in sorted(given, key=versions.LATEST.__eq__):  # latest last: it names nothing unfinished
        registry.named(made.ref, name, environ=environ, moving=name in names[1:3])
    _look_again(rules.repository, made, given, environ)
    told = f"for {', '.join(there)}" + _told_of_latest(stays, latest)
    new = any(one is None or one.digest != made.digest for one in before.values())
    return _noted(context, made, given, there, told, new)


def _store(context: Context, repository: str, kind: str) -> Path:
    """Where the record of what was built lies: for each repository apart, so that a typing mistake blocks none."""
    name = re.sub(r"[^A-Za-z0-9._-]", "+", str(references.repository(repository)))
    return context.paths.packages / "dockerhub" / name / kind


def _forget_unpublished(context: Context, store: Path, commit: str) -> None:
    """A record holds a tag to its digest once that was published; before, another build may have come first."""
    file = store / "images" / f"{commit}.json"
    try:
        digest = str(msgspec.json.decode(read_file(file, image.MAX_RECORD), type=dict).get("digest"))
    except (OSError, UsageError, msgspec.DecodeError):
        return  # there is none, or whoever reads it next says what is wrong with it
    if digest not in map(_at, _notes(context, commit)):
        file.unlink()


def _look_again(
    repository: str, made: image.Image, given: tuple[str, ...], environ: Mapping[str, str]
) -> None:
    """No registry gives a tag to one of two at once, so it is read back. Raises CheckFailed."""
    for name in given:
        found = registry.tagged(repository, name, environ=environ)
        if found is None or found.digest != made.digest:
            raise CheckFailed(
                f"{repository}:{name} is {found.digest if found else 'nothing'}, and was given to {made.digest} "
                "just now: somebody else publishes there, so look who, and say it again"
            )


def _why_latest_stays(
    context: Context, repository: str, made: image.Image, there: Iterable[str], version: str
) -> str:
    """What is at `latest` now, where this image would take it back; "" where it goes on."""
    root, environ = context.paths.root, context.environ
    theirs = registry.tagged(repository, versions.LATEST, environ=environ)
    if theirs is None or theirs.digest == made.digest:
        return ""
    commits = {image.commit_of(one, environ) for one in theirs.all if one.config}
    commit = commits.pop() if len(commits) == 1 else ""
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        return "an image of no one commit"
    try:
        if not git.is_ancestor(root, commit, made.commit):
            newer = git.is_ancestor(root, made.commit, commit)
            return f"{commit[:12]}, which is {'newer' if newer else 'on another line'}"
        have = built_for.platforms(theirs, environ=environ)
    except (UsageError, CheckFailed) as error:
        return f"{commit[:12]}, and it cannot be told which is newer ({error})"
    named = next((str(one["tags"][0]) for one in _notes(context, commit) if _at(one) == theirs.digest), "")
    if versions.older(version, named):
        return f"{named} ({commit[:12]}), which is a later version"
    if lost := built_for.lacking(have, there):
        return f"{commit[:12]} for {', '.join(lost)}, too"
    return ""


def _told_of_latest(stays: str, latest: str) -> str:
    if not stays:
        return ""
    return (
        f"; latest went back from {stays}"
        if latest
        else f"; latest stays with {stays}: LATEST={BACK} moves it"
    )


def _notes(context: Context, commit: str) -> list[dict[str, Any]]:
    """What the commit's journal says was published of it, newest first."""
    entries = reversed(context.log(place_of(commit)).entries())
    said = (e.record.details.get("published") for e in entries if e.record.action == "publish")
    return [one for one in said if isinstance(one, dict) and one.get("tags")]


def _at(note: Mapping[str, Any]) -> str:
    return str(note.get("ref", "")).rpartition("@")[2]


def _noted(
    context: Context, made: image.Image, given: tuple[str, ...], there: tuple[str, ...], told: str, new: bool
) -> Result:
    """Write into the package's journal what was published under which names; of what it says already, nothing."""
    from ..journal.entry import Record

    place = place_of(made.commit)
    published = {"ref": made.ref, "tags": list(given), "platforms": list(there), "size": made.size}
    if not new and published in _notes(context, made.commit):
        line = f"already published: {made.ref} as {', '.join(given)} {told}"
        return Result(Outcome.SUCCEEDED, line, details=published)
    change = {"id": made.commit[:12], "why": git.subject(context.paths.root, made.commit)}
    details = {"change": change, "published": published}
    subject, digest = f"image:{made.commit}", made.digest.removeprefix("sha256:")
    record = Record("note", NAME, "publish", place, context.target, subject, digest, details)
    entry = context.log(place).append(record)
    line = f"published {made.ref} as {', '.join(given)} {told}"
    where = evidence_of(context, place, entry)
    return Result(Outcome.SUCCEEDED, line, seq=entry.seq, evidence=where, details=published)


def build(context: Context, said: str | None, names: tuple[str, ...]) -> Result:
    """Build the commit's image on this machine alone, under these names."""
    commit = git.resolve(context.paths.root, said)
    context.changes(f"build {commit[:12]} on this machine as {', '.join(names)}")
    with context.screen.step(f"building {commit[:12]}"):
        chosen = image.keep(
            context.paths.root,
            commit,
            rules=_rules(context, _without_tag(names[0]), ()),
            store=context.paths.packages / "local",
            environ=context.environ,
            names=names,
        )
    return Result(Outcome.SUCCEEDED, f"built {commit[:12]} as {', '.join(names)}; {chosen} keeps it here")


def build_version(context: Context, said: str | None, repository: str, tag: str) -> Result:
    """Build the commit's image on this machine alone, under its version and `latest`."""
    commit = git.resolve(context.paths.root, said)
    version = versions.version(tag, git.describe(context.paths.root, commit))
    tag = versions.tags(version, "none", "none")[0]
    return build(context, commit, (f"{repository}:{tag}", f"{repository}:latest"))


def login(context: Context, repository: str) -> Result:
    """Log the engine in to the repository's registry; the token goes to its standard input."""
    wanted = context.config.package.engine
    user, token = (context.environ.get(name, "") for name in ("DOCKERHUB_USERNAME", "DOCKERHUB_TOKEN"))
    if not user or not token:
        raise UsageError("DOCKERHUB_USERNAME and DOCKERHUB_TOKEN are not both set: give an access token")
    at = references.repository(repository).registry
    chosen = engine.find(wanted, context.environ)
    context.changes(f"log {chosen} in to {at} as {user}")
    engine.run(engine.login(chosen, at, user), context.environ, engine.QUICKLY, token)
    return Result(Outcome.SUCCEEDED, f"{chosen} is logged in to {at} as {user}")


def logout(context: Context, repository: str) -> Result:
    """Let the engine forget its login."""
    wanted = context.config.package.engine
    at = references.repository(repository).registry
    chosen = engine.find(wanted, context.environ)
    context.changes(f"log {chosen} out of {at}")
    engine.run(engine.logout(chosen, at), context.environ, engine.QUICKLY)
    return Result(Outcome.SUCCEEDED, f"{chosen} is logged out of {at}")


def _without_tag(name: str) -> str:
    before, _, tag = name.rpartition(":")
    return before if before and "/" not in tag else name


def _rules(context: Context, repository: str, platforms: tuple[str, ...]) -> PackageRules:
    return msgspec.structs.replace(context.config.package, repository=repository, platforms=platforms)
