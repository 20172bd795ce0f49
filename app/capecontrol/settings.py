"""Config vars → one frozen value, checked before anything listens.

What is wrong is said without the value: a DATABASE_URL carries a password. The commit comes from the
package itself and never from a config var, because config vars outlive a release and come back with a
rollback.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from capecontrol.database import Database, parse

PACKAGE = Path(__file__).resolve().parent.parent
ENVIRONMENTS = {"dev": "dev", "test": "test", "staging": "staging", "prod": "prod", "production": "prod"}
UNKNOWN = "unknown"


class SettingsError(Exception):
    """A config var is missing or malformed; the message is the one line to print."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What this process runs with.

    `environment` is one of dev, test, staging, prod; `commit` is 40 hex characters or "unknown";
    `release` is the platform's release number, such as "v12", if the platform tells it.
    """

    environment: str
    database: Database = field(repr=False)
    secret_key: bytes = field(repr=False)
    commit: str
    release: str | None
    host: str
    port: int


def read(environ: Mapping[str, str] = os.environ, package: Path = PACKAGE) -> Settings:
    """Settings of this process. Raises SettingsError with one clear line."""
    named = environ.get("ENV") or "dev"
    if named not in ENVIRONMENTS:
        raise SettingsError(f"ENV is {named[:40]!r}: set it to one of {', '.join(ENVIRONMENTS)}")
    try:
        database = parse(environ.get("DATABASE_URL", ""))
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL {error}") from error
    port = environ.get("PORT") or "8000"
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise SettingsError(f"PORT is {port[:40]!r}: give a number from 1 to 65535")
    return Settings(
        environment=ENVIRONMENTS[named],
        database=database,
        # Without a key of its own a process signs for itself alone: safe, and forms outlive no restart.
        secret_key=(environ.get("SECRET_KEY") or secrets.token_hex(32)).encode(),
        commit=commit_of(package),
        release=environ.get("HEROKU_RELEASE_VERSION") or None,
        host=environ.get("HOST") or "127.0.0.1",
        port=int(port),
    )


def commit_of(package: Path) -> str:
    """The commit that the build wrote into the package; "unknown" in a checkout or if it is malformed."""
    try:
        with (package / "COMMIT").open(encoding="ascii", errors="replace") as file:
            written = file.read(64).strip()
    except OSError:
        return UNKNOWN
    return written if re.fullmatch("[0-9a-f]{40}", written) else UNKNOWN
