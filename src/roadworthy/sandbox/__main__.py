"""`python -m roadworthy.sandbox FOLDER`: the sandbox's server process. `control.up` starts it."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ..drivers import SANDBOX
from ..errors import RoadworthyError


def main() -> int:
    """Run the sandbox in a folder until it is stopped; the exit code of the process."""
    parser = argparse.ArgumentParser(prog="python -m roadworthy.sandbox")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--boot-timeout", type=float, default=60.0)
    parser.add_argument("--registry", default="")
    args = parser.parse_args()
    # We outlive who started us: a pipe that we held open by accident would keep its reader waiting.
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    with suppress(PermissionError):  # already the leader of a session
        os.setsid()
    server = import_module(f"{__package__}.{SANDBOX}.server")
    try:
        server.run(
            args.folder.resolve(),
            port=args.port,
            engine=args.database,
            boot_timeout=args.boot_timeout,
            registry=args.registry,
        )
    except RoadworthyError as error:
        print(error, file=sys.stderr)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
