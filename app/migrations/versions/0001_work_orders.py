"""Create the table of work orders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

safe_under = "expand"
code_first = True


def upgrade() -> None:
    op.create_table(
        "work_orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("is_done", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("work_orders")
