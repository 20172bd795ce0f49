"""Under which tags an image is published, and which `TAG` is refused since it would mean something else. Pure.

A version is given once and stays. What people or tools read as something else is none: a digest, another
repository, a tag that moves (`latest`, `1.2` for the newest of a line), one that is told from another only by its
capital letters. What git itself calls the commit is taken as it is, with a dash for what a tag may not hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .. import references
from ..errors import UsageError

LATEST: Final = "latest"
_GIVEN_ANYWAY: Final = ("docker-", "git-")
_NUMBERS: Final = r"v?([0-9]+(?:\.[0-9]+)*)(-[0-9A-Za-z.-]+)?(?:\+.*)?"  # as in Semantic Versioning 2.0.0

# What is wrong with a TAG that a person said, in the order in which it is told.
_WRONG: Final[tuple[tuple[Callable[[str], object], str], ...]] = (
    (lambda tag: len(tag) > 128, "has more than 128 characters"),
    (
        lambda tag: "@" in tag or re.match(r"sha(256|512)[:-]", tag),
        "is a digest, which names an image already",
    ),
    (
        lambda tag: ":" in tag or "/" in tag,
        "names a repository: that is said by DH_NAMESPACE and APP (--repository), and TAG is the version alone",
    ),
    (
        lambda tag: not re.fullmatch(references.TAG, tag),
        "is no tag: letters, digits, dots, dashes and underscores, and neither a dot nor a dash first",
    ),
    (
        lambda tag: tag.lower() == LATEST or tag.lower().startswith(_GIVEN_ANYWAY),
        "is given by itself: say the version",
    ),
    (
        lambda tag: re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", tag),
        "reads as a commit or a digest: say the version",
    ),
    (
        lambda tag: re.fullmatch(r"v?[0-9]{1,4}(\.[0-9]{1,4})?", tag),
        "reads as the newest of a line, which moves: a version is given once, so say all its numbers (1.2.0)",
    ),
    (
        lambda tag: tag != tag.lower(),
        "has capital letters, which tags tell apart and people do not: say it without",
    ),
)


def safe(text: str) -> str:
    """A tag from any text, as the playbook makes it: what a tag may not hold becomes a dash."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", text)


def version(said: str, described: str) -> str:
    """The version to publish: what a person said, or else what git calls the commit. Raises UsageError."""
    if said in ("", described):
        return safe(described)
    for is_so, what in _WRONG:
        if is_so(said):
            raise UsageError(f"TAG {said[:130]!r} {what}")
    return said


def tags(named: str, built_by: str, short: str) -> tuple[str, ...]:
    """The four tags of a release: the version, `latest`, the engine's and the commit's. Raises UsageError."""
    found = (named, LATEST, f"docker-{safe(built_by)}", f"git-{safe(short)}")
    for tag in found:
        if not re.fullmatch(references.TAG, tag):
            raise UsageError(
                f"{tag[:130]!r} makes no tag: at most 128 characters, no dot or dash at first; say another TAG"
            )
    return found


def older(one: str, other: str) -> bool:
    """Whether `one` is an older version than `other`, as far as their numbers tell.

    A pre-release is older than its version, and what git counts after that (`1.2.3-4-gabc1234`) is newer.
    """
    ours, theirs = _numbers(one), _numbers(other)
    return ours is not None and theirs is not None and ours < theirs


def _numbers(text: str) -> tuple[list[int], int] | None:
    after = re.fullmatch(r"(.+)-[0-9]+-g[0-9a-f]{4,40}", text)
    found = re.fullmatch(_NUMBERS, after[1] if after else text)
    if not found:
        return None
    numbers = [int(one) for one in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers, 2 if after else int(found[2] is None)
