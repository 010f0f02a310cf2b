"""What a contact says of itself and the epoch of its temporary GRUUs with a binding; a realm for a tenant."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bindings of before have neither; a tenant without a realm of its own goes on with its first domain."""
    op.add_column("binding", sa.Column("params", sa.Text(), nullable=False, server_default=""))
    op.add_column("binding", sa.Column("epoch", sa.Text(), nullable=False, server_default=""))
    op.add_column("tenant", sa.Column("realm", sa.String(255)))


def downgrade() -> None:
    """Forget them."""
    op.drop_column("tenant", "realm")
    op.drop_column("binding", "epoch")
    op.drop_column("binding", "params")
