"""The tables, in types that SQLite and PostgreSQL both have.

Keys are (tenant_id, id), ids UUIDv7 as text. Times are wall-clock seconds. The migrations build these
tables; a test holds both against each other.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

# Identifiers compare byte by byte, so that a prefix is a range: SQLite does, PostgreSQL is told to.
IDENTIFIER = String(64).with_variant(String(64, collation="C"), "postgresql")

metadata = MetaData(
    naming_convention={  # a constraint without a name cannot be changed by a later migration
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


def _of_a_tenant() -> tuple[PrimaryKeyConstraint, ForeignKeyConstraint]:
    return (
        PrimaryKeyConstraint("tenant_id", "id"),
        ForeignKeyConstraint(["tenant_id"], ["tenant.id"], ondelete="CASCADE"),
    )


tenant = Table(
    "tenant",
    metadata,
    Column("id", IDENTIFIER, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("realm", String(255)),  # NULL: its first domain
    UniqueConstraint("name"),
)

tenant_domain = Table(
    "tenant_domain",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("domain", String(255), nullable=False),  # in lower case, without a trailing dot
    Column("position", Integer, nullable=False),  # the first domain is the tenant's realm, unless it has one
    *_of_a_tenant(),
    UniqueConstraint("domain"),  # of all tenants: the domain picks the tenant
)

extension = Table(
    "extension",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("number", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret", Text),  # the password, sealed by SecretBox; NULL without one
    Column("contact", Text),
    Column("max_calls", Integer),  # NULL: what the settings say
    *_of_a_tenant(),
    UniqueConstraint("tenant_id", "number"),
)

# No index on expires_at: each of thousands of refreshes a second would have to move its entry.
binding = Table(
    "binding",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("aor_user", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("flow", Text, nullable=False),
    Column("received", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("registered_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("q", Integer, nullable=False),
    Column("instance", Text),
    Column("reg_id", BigInteger, nullable=False),
    Column("path", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("params", Text, nullable=False, server_default=""),
    Column("epoch", Text, nullable=False, server_default=""),
    *_of_a_tenant(),
)

call_record = Table(
    "call_record",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("call", IDENTIFIER, nullable=False),
    Column("direction", String(8), nullable=False),
    Column("caller", Text, nullable=False),
    Column("callee", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("answered_at", Double),
    Column("status", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("code", String(64), nullable=False),
    Column("q850", Integer),
    Column("ended_by", String(16), nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("quality", JSON, nullable=False),
    Column("story", JSON, nullable=False),
    *_of_a_tenant(),
    Index(None, "tenant_id", "call"),
    Index(None, "tenant_id", "sip_call_id"),
    # The numbers let a search for one skip records unread; unlike an index of its own, this grows at its end.
    Index(None, "tenant_id", "started_at", "caller", "callee", "target"),
    Index(None, "started_at"),  # retention, and the newest of all tenants
)

# Calls in progress. ``id`` is the call's; ``body`` what another process needs to carry on, as JSON.
call_journal = Table(
    "call_journal",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("node", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    *_of_a_tenant(),
)

# Registrations that we make elsewhere; ``id`` is the user of our Contact there.
client_registration = Table(
    "client_registration",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("owner", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("registrar", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("cseq", BigInteger, nullable=False),
    Column("contact", Text, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("target", Text, nullable=False),
    *_of_a_tenant(),
)

# Texts that wait for their reader.
text = Table(
    "text",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("sender", Text, nullable=False),
    Column("receiver", Text, nullable=False),
    Column("from_", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("max_forwards", Integer, nullable=False),
    Column("received_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    *_of_a_tenant(),
)

# Whom mobile devices are at a PBX; ``id`` is the user of our Contact there, and of its client_registration.
mobile_account = Table(
    "mobile_account",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("user", String(255), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("registrar", String(255), nullable=False),
    Column("transport", String(8), nullable=False),
    Column("port", Integer, nullable=False),
    Column("auth_username", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("secret", Text),  # the password, sealed by SecretBox; NULL when purged, and for our own extensions
    Column("own", Boolean, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    *_of_a_tenant(),
    UniqueConstraint("tenant_id", "user", "domain", "registrar", "transport"),
)

mobile_device = Table(
    "mobile_device",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("owner", Text, nullable=False),
    Column("account_id", IDENTIFIER),  # NULL for a phone that registers by itself
    Column("kind", String(8), nullable=False),
    Column("user", Text, nullable=False),
    Column("platform", String(16), nullable=False),
    Column("key_hash", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("push_kind", String(16), nullable=False),
    Column("push_token", Text, nullable=False),
    Column("alert_token", Text, nullable=False),
    Column("environment", String(16), nullable=False),
    Column("bundle_id", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("p256dh", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("disabled_why", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("registered_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    *_of_a_tenant(),
)

# Devices' parts in calls that ring or are up; ``id`` is the token.
mobile_call = Table(
    "mobile_call",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("call", IDENTIFIER, nullable=False),
    Column("leg", Text, nullable=False),
    Column("device_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("updated_at", Double, nullable=False),
    *_of_a_tenant(),
)

# The one key of a tenant's backend, as a hash.
tenant_api_key = Table(
    "tenant_api_key",
    metadata,
    Column("tenant_id", IDENTIFIER, nullable=False),
    Column("id", IDENTIFIER, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    *_of_a_tenant(),
    UniqueConstraint("tenant_id"),
)
