"""How many calls an extension may have at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Those that exist have no limit of their own: the one of the settings holds."""
    op.add_column("extension", sa.Column("max_calls", sa.Integer()))


def downgrade() -> None:
    """Forget the limits."""
    op.drop_column("extension", "max_calls")
