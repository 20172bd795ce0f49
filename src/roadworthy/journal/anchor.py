"""Anchors: the head of a log, noted outside the store that holds the log.

Nothing inside a store can show that its newest entries were cut off, or that all of it is an older copy. A
head that was noted elsewhere can: an annotated git tag `roadworthy/<target>/<environment>/<seq>`, a file that
CI keeps as an artifact, and an RFC 3161 timestamp of that file. All hold the same one line of JSON.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit, urlunsplit

from ..errors import RoadworthyError
from ..files import write_atomically
from .entry import Entry
from .known import Head
from .policy import named_by

GIT_TIMEOUT: Final = 30  # seconds for one git command
STAMP_LIMIT: Final = 64 << 10  # bytes of a timestamp
_HELPER: Final = '!f() { echo "username=$ROADWORTHY_USER"; echo "password=$ROADWORTHY_PASSWORD"; }; f'


class AnchorError(RoadworthyError):
    """A head could not be anchored. Whatever was released is released all the same."""

    code = 1


def anchor_of(entry: Entry) -> bytes:
    """The line that anchors `entry`, the head of its log: which log, number, digest, and the policy in force."""
    said = entry.record
    version, sha256 = named_by(said)
    policy = {"policy": {"version": version, "sha256": sha256}} if version else {}
    where = {"environment": said.environment, "target": said.target}
    line = json.dumps({**where, "seq": entry.seq, "sha256": entry.sha256, **policy}, sort_keys=True)
    return line.encode() + b"\n"


def to_file(entry: Entry, path: Path) -> None:
    """Write the anchor to a file, whole or not at all. Raises UsageError."""
    write_atomically(path, anchor_of(entry))


def to_tag(entry: Entry, repository: Path) -> str:
    """Anchor the head as an annotated tag of the package's commit, and push it where there is an `origin`.

    Gives the tag's name; doing it twice changes nothing. Raises AnchorError, also when the tag was made and
    could not be pushed.
    """
    said = entry.record
    tag = f"roadworthy/{said.target}/{said.environment}/{entry.seq}"
    body = anchor_of(entry)
    text = f"Journal of {said.target}/{said.environment} at {entry.seq}\n\n".encode() + body
    if not _there(repository, tag, body):
        commit = _commit_of(entry)
        known = commit and _git(repository, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0
        # The message is what counts; any commit may carry it.
        made = _git(repository, "tag", "-a", "-F", "-", tag, commit if known else "HEAD", data=text)
        if made.returncode and not _there(repository, tag, body):
            raise AnchorError(f"the tag {tag} could not be made: {_last(made)}")
    remote = _git(repository, "remote", "get-url", "--push", "origin")
    if remote.returncode == 0:
        address, login = _login_apart(remote.stdout.decode(errors="replace").strip())
        where = address if login else "origin"
        pushed = _git(repository, "push", "--quiet", where, f"refs/tags/{tag}", more=login)
        if pushed.returncode:
            raise AnchorError(
                f"the tag {tag} is only in this clone, `git push origin {tag}`: {_last(pushed)}"
            )
    return tag


def timestamp(path: Path, url: str, *, timeout: float = 10) -> Path:
    """Have the authority at `url` timestamp the file `path` (RFC 3161); gives `<path>.tsr`. Raises AnchorError."""
    import requests

    from .. import http

    query = ["openssl", "ts", "-query", "-data", str(path), "-sha256", "-cert"]
    try:
        asked = subprocess.run(query, capture_output=True, timeout=GIT_TIMEOUT, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise AnchorError("openssl could not make a timestamp request: is it installed?") from error
    headers = {"Content-Type": "application/timestamp-query"}
    try:
        with http.session(timeout).post(url, data=asked, headers=headers, stream=True) as answer:
            answer.raise_for_status()
            data = http.read_limited(answer, STAMP_LIMIT)
    except requests.RequestException as error:
        where = http.without_credentials(url)
        raise AnchorError(f"no timestamp from {where}: {http.reason(error)}") from error
    stamp = path.with_name(f"{path.name}.tsr")
    write_atomically(stamp, data)
    return stamp


def newest(repository: Path, place: str) -> Head | None:
    """The newest head of the log `<target>/<environment>` that a tag of the repository anchors.

    Raises AnchorError when that tag is no anchor of it.
    """
    form = "--format=%(refname:strip=2) %(contents:body)"
    order = ("--sort=-version:refname", "--count=1")
    found = _git(repository, "for-each-ref", *order, form, f"refs/tags/roadworthy/{place}/").stdout
    if not found.strip():
        return None
    tag, _, body = found.decode(errors="replace").partition(" ")
    try:
        match json.loads(body):
            case {"target": target, "environment": env, "seq": int(seq), "sha256": str(sha256)}:
                if f"{target}/{env}" == place and tag == f"roadworthy/{place}/{seq}" and len(sha256) == 64:
                    return Head(seq, sha256, f"the tag {tag} anchors it")
    except (ValueError, RecursionError):
        pass
    raise AnchorError(f"the tag {tag} is no anchor of {place}: look who made it, and remove it")


def _there(repository: Path, tag: str, body: bytes) -> bool:
    """Is the tag there, and about this head? Raises AnchorError when it is about another."""
    ref = f"refs/tags/{tag}"
    found = _git(repository, "for-each-ref", "--format=%(objecttype) %(contents:body)", ref)
    if found.returncode:
        raise AnchorError(f"{repository} is no git repository: {_last(found)}")
    if found.stdout.strip() and found.stdout.strip() != b"tag " + body.strip():
        raise AnchorError(
            f"the tag {tag} anchors another head: the journal or the tag was replaced; audit both"
        )
    return bool(found.stdout.strip())


def _commit_of(entry: Entry) -> str:
    to = entry.record.details.get("to")
    commit = to.get("commit") if isinstance(to, dict) else None
    return commit if isinstance(commit, str) and re.fullmatch(r"[0-9a-f]{40}", commit) else ""


def _login_apart(address: str) -> tuple[str, dict[str, str]]:
    """An https address without its user and password, and the variables by which git asks for those.

    Git gives a remote's whole address to its transport as a word of a command line, which everyone can read.
    """
    try:
        parts = urlsplit(address)
    except ValueError:
        return address, {}
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return address, {}
    login = {
        "ROADWORTHY_USER": unquote(parts.username or ""),
        "ROADWORTHY_PASSWORD": unquote(parts.password or ""),
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": "",  # forgets the helpers that are configured: this address brought its own login
        "GIT_CONFIG_KEY_1": "credential.helper",
        "GIT_CONFIG_VALUE_1": _HELPER,
    }
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), login


def _git(
    repository: Path, *words: str, data: bytes = b"", more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    # No prompt, no editor, and a name for the tagger where a CI machine has none.
    env = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **(more or {})}
    command = ["git", "-C", str(repository), "-c", "tag.gpgSign=false"]
    if words[0] == "tag" and not os.environ.get("GIT_COMMITTER_EMAIL"):
        asked = subprocess.run([*command, "config", "user.email"], env=env, capture_output=True, check=False)
        if asked.returncode:
            env |= {"GIT_COMMITTER_NAME": "roadworthy", "GIT_COMMITTER_EMAIL": "roadworthy@localhost"}
    try:
        return subprocess.run(
            [*command, *words], input=data, env=env, capture_output=True, timeout=GIT_TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise AnchorError(f"git {words[0]} could not be run: {type(error).__name__}") from error


def _last(done: subprocess.CompletedProcess[bytes]) -> str:
    return ([*done.stderr.decode(errors="replace").strip().splitlines(), "git gave no reason"])[0][:200]
