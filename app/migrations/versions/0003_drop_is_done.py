"""Drop is_done: status says it all. There is no way back."""

from alembic import op
from alembic.util import CommandError

revision = "0003"
down_revision = "0002"

safe_under = "irreversible"
code_first = True


def upgrade() -> None:
    # Code from before 0002 may have finished orders since, and it wrote only is_done.
    op.execute("UPDATE work_orders SET status = 'done' WHERE is_done")
    op.drop_column("work_orders", "is_done")


def downgrade() -> None:
    raise CommandError(
        "0003 cannot be undone: the column is_done and what older code wrote to it are gone; "
        "restore a backup taken before it, or go on with a new migration"
    )
