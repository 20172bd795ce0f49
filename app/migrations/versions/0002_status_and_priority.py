"""Give work orders a status and a priority."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

safe_under = "expand"
code_first = True


def upgrade() -> None:
    # Both have defaults, so code that knows neither goes on inserting.
    op.add_column("work_orders", sa.Column("status", sa.Text, nullable=False, server_default="open"))
    op.add_column("work_orders", sa.Column("priority", sa.Text, nullable=False, server_default="normal"))
    op.execute("UPDATE work_orders SET status = 'done' WHERE is_done")


def downgrade() -> None:
    op.drop_column("work_orders", "priority")
    op.drop_column("work_orders", "status")
