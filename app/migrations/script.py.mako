"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

safe_under = ""  # expand: older code runs on the new schema too; contract or irreversible: it does not
code_first = True  # False: this release's code needs the new schema to start


def upgrade() -> None:
    raise NotImplementedError


def downgrade() -> None:
    raise NotImplementedError
