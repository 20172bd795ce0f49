"""Credential helpers: programs `docker-credential-<name>` that keep logins for docker and podman.

A helper is started with `get`, gets the registry's name on standard input, and answers with JSON. It sees the
caller's variables, for it may need them to find its own store, without those that open production or sign.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from typing import Final

import msgspec

from ..drivers import TRAITS
from ..errors import UsageError

QUICKLY: Final = 20.0  # seconds
MOST: Final = 1 << 16  # bytes of an answer
TOKEN: Final = "<token>"  # the user that a helper names when it has an identity token
_OURS: Final = ("ALLOW_PROD", "ROADWORTHY_", *(traits.key for traits in TRAITS.values()))
_NOT_FOUND: Final = "credentials not found"


class _Answer(msgspec.Struct, rename={"user": "Username", "secret": "Secret"}):
    user: str = ""
    secret: str = ""


def ask(helper: str, server: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """(user, password) of a registry; None when the helper has none. Raises UsageError, without what it said."""
    name = f"docker-credential-{helper[:60]}"
    fit = re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", helper)
    program = shutil.which(name, path=environ.get("PATH")) if fit else None
    if not program:
        raise UsageError(
            f"the credential helper {name!r} of a login is not here: install it, or log in without it"
        )
    seen = {key: value for key, value in environ.items() if not key.startswith(_OURS)}
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as given:
        given.write(f"{server}\n".encode())
        given.seek(0)
        status = _run((program, "get"), seen, given.fileno(), said.fileno(), name)
        said.seek(0)
        text = said.read(MOST)
    if status:
        if _NOT_FOUND in text.decode("utf-8", "replace").lower():
            return None
        raise UsageError(f"the credential helper {name} ended with {status} for {server}: log in again")
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.DecodeError:
        raise UsageError(f"the credential helper {name} gives no login for {server}: log in again") from None
    return (answer.user, answer.secret) if answer.user and answer.secret else None


def _run(words: tuple[str, ...], environ: Mapping[str, str], given: int, said: int, name: str) -> int:
    try:
        helper = subprocess.Popen(
            words, env=environ, stdin=given, stdout=said, stderr=subprocess.DEVNULL, process_group=0
        )
    except OSError as error:
        raise UsageError(f"the credential helper {name} cannot be started: {error.strerror}") from error
    with helper:
        try:
            return helper.wait(QUICKLY)
        except BaseException as error:
            os.killpg(helper.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise UsageError(
                    f"the credential helper {name} did not answer within {QUICKLY:g} s"
                ) from error
            raise
