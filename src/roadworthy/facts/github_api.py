"""Questions to GitHub's API: read only, page by page, within a deadline.

They are retried until the deadline, and follow no redirect and no address that an answer names. The token is sent
to the configured API only, over TLS (loopback excepted), and is never in a message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, TypeVar

import msgspec
import requests

from ..config import GitHub
from ..errors import UsageError
from ..http import is_loopback, read_limited, reason
from ..model import MissingFact
from ..retry import reads

MOST: Final = 8 << 20  # bytes of one answer
PAGES: Final = 10  # of 100 items
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/(?!\.\.?$)[A-Za-z0-9._-]{1,100}")
_WHY: Final = {
    301: "the repository has moved: correct github.repository in release.toml",
    401: "the token is refused: renew GITHUB_TOKEN",
    403: "the token may not read this, or its rate limit is used up",
    404: "it knows no such repository, or the token may not see it",
    422: "it does not know this commit: push it",
    429: "the rate limit is used up: try again later",
}

_T = TypeVar("_T")


def pages(
    github: GitHub,
    path: str,
    query: Mapping[str, str | int],
    token: str,
    session: requests.Session,
    deadline: float,
    kind: type[_T],
) -> Iterator[_T]:
    """The answers to one question, page by page. Raises MissingFact when GitHub cannot tell."""
    if not _REPOSITORY.fullmatch(github.repository):
        raise UsageError(f"github.repository {github.repository!r}: expected owner/name in release.toml")
    if not github.api.startswith("https://") and not is_loopback(github.api):
        raise UsageError(f"github.api {github.api!r}: expected an address that begins with https://")
    if not token:
        raise MissingFact("GITHUB_TOKEN is not set: give one that may read checks and issues")
    if not (token.isascii() and token.isprintable() and " " not in token and len(token) <= 500):
        raise MissingFact("GITHUB_TOKEN holds what no token does, a space or line end perhaps: set it again")
    headers = {
        "Accept": "application/vnd.github+json",
        "Authorization": f"Bearer {token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    url = f"{github.api.rstrip('/')}/repos/{github.repository}/{path}"
    for page in range(1, PAGES + 1):
        asked = {**query, "per_page": 100, "page": page}
        try:
            response = reads(deadline, what=path)(
                session.get, url, params=asked, headers=headers, allow_redirects=False, stream=True
            )
            with response:
                body = read_limited(response, MOST)
        except requests.RequestException as error:
            raise MissingFact(f"GitHub cannot be asked: {reason(error)}") from error
        if response.status_code != 200:
            why = _WHY.get(response.status_code, "try again later")
            raise MissingFact(f"GitHub answered {response.status_code}: {why}")
        try:
            yield msgspec.json.decode(body, type=kind)
        except msgspec.MsgspecError as error:
            raise MissingFact(f"GitHub's answer is not what its API promises: {error}") from error
        if "next" not in response.links:
            return
    raise MissingFact(f"GitHub lists more than {PAGES * 100} items: close what is solved")
