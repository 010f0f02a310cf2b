"""Texts that wait for their reader."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
_WORDS = ("sender", "receiver", "from_", "to", "call_id", "content_type", "headers")


def upgrade() -> None:
    """Create the queue of texts."""
    op.create_table(
        "text",
        sa.Column("tenant_id", _ID, nullable=False),
        sa.Column("id", _ID, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _WORDS),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("max_forwards", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_text"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_text_tenant", ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("text")
