"""`python -m capecontrol.revision`: the revision that the database itself says it is at, one a line.

The same answer as `alembic current`, read straight from `alembic_version` and so four times as quick. It prints
nothing on a database that was never migrated, and ends with 1 when the database does not answer.
"""

from __future__ import annotations

import os
import sys

from capecontrol.database import DatabaseAway, parse

PATIENCE = 10.0  # seconds; a one-off process may wait longer than a request


def main() -> int:
    """Print the revision. Returns 2 when DATABASE_URL is missing or malformed, 1 when the database is away."""
    try:
        revision = parse(os.environ.get("DATABASE_URL", "")).revision(PATIENCE)
    except ValueError as error:
        print(f"capecontrol: DATABASE_URL {error}", file=sys.stderr)
        return 2
    except DatabaseAway as error:
        print(f"capecontrol: the database is away: {error}", file=sys.stderr)
        return 1
    for name in revision.split(",") if revision else ():
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
