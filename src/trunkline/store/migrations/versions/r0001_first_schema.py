"""Tenants and their domains, extensions, bindings, call records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Written out rather than imported: what a revision did must not change with the code of today.
_ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables of the first release."""
    _create_tenants()
    _create_extension()
    _create_binding()
    _create_call_record()


def downgrade() -> None:
    """Drop everything."""
    for table in ("call_record", "binding", "extension", "tenant_domain", "tenant"):
        op.drop_table(table)


def _create_tenants() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tenant"),
        sa.UniqueConstraint("name", name="uq_tenant_name"),
    )
    op.create_table(
        "tenant_domain",
        *_keys(),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        *_of_a_tenant("tenant_domain"),
        sa.UniqueConstraint("domain", name="uq_tenant_domain_domain"),
    )


def _create_extension() -> None:
    op.create_table(
        "extension",
        *_keys(),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("contact", sa.Text()),
        *_of_a_tenant("extension"),
        sa.UniqueConstraint("tenant_id", "number", name="uq_extension_tenant_id_number"),
    )


def _create_binding() -> None:
    op.create_table(
        "binding",
        *_keys(),
        sa.Column("aor_user", sa.Text(), nullable=False),
        sa.Column("contact", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("received", sa.Text(), nullable=False),
        sa.Column("call_id", sa.Text(), nullable=False),
        sa.Column("cseq", sa.BigInteger(), nullable=False),
        sa.Column("registered_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("q", sa.Integer(), nullable=False),
        sa.Column("instance", sa.Text()),
        sa.Column("reg_id", sa.BigInteger(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        *_of_a_tenant("binding"),
    )


def _create_call_record() -> None:
    op.create_table(
        "call_record",
        *_keys(),
        sa.Column("call", _ID, nullable=False),
        sa.Column("direction", sa.String(8), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("callee", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("answered_at", sa.Double()),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("code", sa.String(64), nullable=False),
        sa.Column("q850", sa.Integer()),
        sa.Column("ended_by", sa.String(16), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("quality", sa.JSON(), nullable=False),
        sa.Column("story", sa.JSON(), nullable=False),
        *_of_a_tenant("call_record"),
    )
    for columns in (
        ["tenant_id", "call"],
        ["tenant_id", "sip_call_id"],
        ["tenant_id", "started_at"],
        ["started_at"],
    ):
        op.create_index(f"ix_call_record_{'_'.join(columns)}", "call_record", columns)


def _keys() -> list[sa.Column[str]]:
    return [sa.Column("tenant_id", _ID, nullable=False), sa.Column("id", _ID, nullable=False)]


def _of_a_tenant(table: str) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=f"fk_{table}_tenant", ondelete="CASCADE"),
    )
