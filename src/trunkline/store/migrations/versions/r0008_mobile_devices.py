"""Mobile devices, their accounts and calls, and the keys of their backends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Create what the mobile gateway keeps."""
    _create_accounts()
    _create_devices()
    op.create_table(
        "mobile_call",
        *_keys(),
        sa.Column("call", _ID, nullable=False),
        *_texts("leg", "device_id", "owner"),
        sa.Column("state", sa.String(32), nullable=False),
        *_texts("body"),
        *_times("updated_at"),
        *_of_a_tenant("mobile_call"),
    )
    op.create_table(
        "tenant_api_key",
        *_keys(),
        sa.Column("hash", sa.String(64), nullable=False),
        *_times("created_at"),
        *_of_a_tenant("tenant_api_key"),
        sa.UniqueConstraint("tenant_id", name="uq_tenant_api_key_tenant_id"),
    )


def downgrade() -> None:
    """Drop it."""
    for name in ("tenant_api_key", "mobile_call", "mobile_device", "mobile_account"):
        op.drop_table(name)


def _create_accounts() -> None:
    unique = ("tenant_id", "user", "domain", "registrar", "transport")
    op.create_table(
        "mobile_account",
        *_keys(),
        *(sa.Column(name, sa.String(255), nullable=False) for name in ("user", "domain", "registrar")),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        *_texts("auth_username", "display_name"),
        sa.Column("secret", sa.Text()),
        sa.Column("own", sa.Boolean(), nullable=False),
        *_times("used_at", "created_at"),
        *_of_a_tenant("mobile_account"),
        sa.UniqueConstraint(*unique, name=f"uq_mobile_account_{'_'.join(unique)}"),
    )


def _create_devices() -> None:
    op.create_table(
        "mobile_device",
        *_keys(),
        *_texts("owner"),
        sa.Column("account_id", _ID),
        sa.Column("kind", sa.String(8), nullable=False),
        *_texts("user"),
        sa.Column("platform", sa.String(16), nullable=False),
        *_texts("key_hash", "service"),
        sa.Column("push_kind", sa.String(16), nullable=False),
        *_texts("push_token", "alert_token"),
        sa.Column("environment", sa.String(16), nullable=False),
        *_texts("bundle_id", "team", "p256dh", "auth"),
        sa.Column("active", sa.Boolean(), nullable=False),
        *_texts("disabled_why"),
        *_times("created_at", "registered_at", "seen_at"),
        *_of_a_tenant("mobile_device"),
    )


def _keys() -> tuple[sa.Column[str], sa.Column[str]]:
    return sa.Column("tenant_id", _ID, nullable=False), sa.Column("id", _ID, nullable=False)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _times(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double(), nullable=False) for name in names]


def _of_a_tenant(table: str) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"fk_{table}_tenant", ondelete="CASCADE"),
    )
