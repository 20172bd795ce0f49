"""Docker Hub: publish the image of a commit under the names that people look for, and note its digest.

Nothing here touches an environment. The image is built once, from the commit's tree, and found again by its tag
`git-<short>`; the other tags are names for the same digest. A version that names another commit's image is never
moved; `latest` and the engine's tag are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ..config_rules import PLATFORM
from ..errors import UsageError
from ..facts import git
from ..facts.standing import place_of
from ..model import Outcome, Result
from ..packages import engine, image, references, registry
from ..record import evidence_of
from ..signing import require

if TYPE_CHECKING:
    from ..config import PackageRules
    from ..context import Context

NAME: Final = "build"
DEFAULT: Final = ("linux/amd64", "linux/arm64")


def safe(text: str) -> str:
    """A tag from any text, as the playbook makes it: what a tag may not hold becomes a dash."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)


def tags(version: str, built_by: str, short: str) -> tuple[str, ...]:
    """The four tags of a release: the version, `latest`, the engine's and the commit's."""
    found = (safe(version), "latest", f"docker-{safe(built_by)}", f"git-{safe(short)}")
    for tag in found:
        if not re.fullmatch(references.TAG, tag):
            raise UsageError(
                f"TAG {version[:130]!r} makes no tag: at most 128 characters, no dot or dash at first"
            )
    return found


def release(context: Context, said: str | None, repository: str, version: str, platforms: str) -> Result:
    """Publish the commit's image for several platforms, under all four tags."""
    wanted = tuple(platforms.split(",")) if platforms else DEFAULT
    if wrong := [one for one in wanted if not re.fullmatch(PLATFORM, one)]:
        raise UsageError(f"PLATFORMS {wrong[0][:60]!r}: expected linux/amd64,linux/arm64 or the like")
    return _publish(context, said, repository, version, wanted)


def push(context: Context, said: str | None, repository: str, version: str) -> Result:
    """Publish the commit's image for the engine's own platform, under its version and `latest`."""
    return _publish(context, said, repository, version, ())


def _publish(
    context: Context, said: str | None, repository: str, version: str, platforms: tuple[str, ...]
) -> Result:
    root, environ = context.paths.root, context.environ
    if context.signer is None:
        raise UsageError("there is no signing key to note what is published: set ROADWORTHY_SIGNING_KEY_FILE")
    commit = git.resolve(root, said)
    require(context, place_of(commit), ("publish",))
    rules = _rules(context, repository, platforms)
    built_by = engine.version(engine.find(rules.engine, environ), environ)
    names = tags(version or git.describe(root, commit), built_by, git.short(root, commit))
    # An image of one platform is found by its version; a release of several by its commit.
    given, found_by, kind = (names, names[3], "release") if platforms else (names[:2], names[0], "push")
    if taken := registry.tagged(rules.repository, names[0], environ=environ):
        image.check_commit(taken, commit, environ)
    context.changes(f"build {commit[:12]}, or find it, and publish it as {', '.join(given)} of {repository}")
    store = context.paths.packages / f"dockerhub-{kind}"
    with context.screen.step(f"building and pushing {commit[:12]}, or finding it"):
        made = image.find_or_build(root, commit, rules=rules, store=store, environ=environ, tag=found_by)
    for name in given:
        registry.named(made.ref, name, environ=environ, moving=name in names[1:3])
    return _noted(context, made, given)


def _noted(context: Context, made: image.Image, given: tuple[str, ...]) -> Result:
    """Write into the package's journal what was published under which names."""
    from ..journal.entry import Record

    place = place_of(made.commit)
    published = {"ref": made.ref, "tags": list(given), "size": made.size}
    change = {"id": made.commit[:12], "why": git.subject(context.paths.root, made.commit)}
    details = {"change": change, "published": published}
    subject, digest = f"image:{made.commit}", made.digest.removeprefix("sha256:")
    record = Record("note", NAME, "publish", place, context.target, subject, digest, details)
    entry = context.log(place).append(record)
    line = f"published {made.ref} as {', '.join(given)}"
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


def build_version(context: Context, said: str | None, repository: str, version: str) -> Result:
    """Build the commit's image on this machine alone, under its version and `latest`."""
    commit = git.resolve(context.paths.root, said)
    tag = tags(version or git.describe(context.paths.root, commit), "none", "none")[0]
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
