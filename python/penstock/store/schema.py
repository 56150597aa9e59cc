"""The tables. Alembic's migrations make them; a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)


class Micros(TypeDecorator[datetime]):
    """An instant as microseconds since the epoch: sorts, compares, and knows no time zone."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else from_micros(value)


def to_micros(instant: datetime) -> int:
    """Microseconds since the epoch, exactly."""
    whole = int(instant.replace(microsecond=0).timestamp())
    return whole * 1_000_000 + instant.microsecond


def from_micros(micros: int) -> datetime:
    """The instant, in UTC."""
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


users = Table(
    "users",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("created_at", Micros, nullable=False),
)

groups = Table("groups", metadata, Column("name", String(64), primary_key=True))

user_groups = Table(
    "user_groups",
    metadata,
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", ForeignKey("groups.name", ondelete="CASCADE"), primary_key=True, index=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False, index=True),
)

# What is known of users that are programs; their keys are tokens.
service_accounts = Table(
    "service_accounts",
    metadata,
    Column("id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("disabled", Boolean, nullable=False),
    Column("expires_at", Micros),
)

agents = Table(
    "agents",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("last_seen_at", Micros),
)

# Each name belongs to one agent: a certificate never leaves a choice.
agent_certificate_names = Table(
    "agent_certificate_names",
    metadata,
    Column("name", String(253), primary_key=True),
    Column("agent_id", ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True),
)

# Of certificates, not of agents: it outlives the agent.
revoked_certificates = Table(
    "revoked_certificates",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("name", String(253)),
    Column("reason", Text, nullable=False),
    Column("revoked_at", Micros, nullable=False),
    Column("revoked_by", String(254), nullable=False),
)

connections = Table(
    "connections",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("type", String(32), nullable=False),
    Column("agent", String(64), index=True),
    Column("env", Text, nullable=False),
    Column("created_at", Micros, nullable=False),
)

connection_groups = Table(
    "connection_groups",
    metadata,
    Column("connection_id", ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", ForeignKey("groups.name", ondelete="CASCADE"), primary_key=True, index=True),
)

apps = Table(
    "apps",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("identify", Boolean, nullable=False),
    Column("selector", String(128), nullable=False),
    Column("timeout_seconds", Integer, nullable=False),
    Column("created_at", Micros, nullable=False),
)

# Each route and each name in a certificate belongs to one app: a request never leaves a choice.
app_routes = Table(
    "app_routes",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("path", String(512), primary_key=True),
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
)

app_workers = Table(
    "app_workers",
    metadata,
    Column("name", String(253), primary_key=True),
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), nullable=False, index=True),
)

# No foreign key to groups: without its last group an app would be open to every user.
app_access = Table(
    "app_access",
    metadata,
    Column("app_id", ForeignKey("apps.id", ondelete="CASCADE"), primary_key=True),
    Column("group_name", String(64), primary_key=True),
)

# Sessions outlive the users, tokens, agents and connections that they name: no foreign keys.
sessions = Table(
    "sessions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("connection", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("agent", String(64)),
    Column("user_id", String(36), nullable=False),
    Column("principal", String(254), nullable=False),
    Column("token_id", String(36), nullable=False),
    Column("peer", String(128), nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text),
    Column("ended_at", Micros),
    Column("statements", Integer, nullable=False),
    Column("client_bytes", BigInteger, nullable=False),
    Column("upstream_bytes", BigInteger, nullable=False),
    Column("client_user", Text, nullable=False),
    Column("client_database", Text, nullable=False),
    Column("client_application", Text, nullable=False),
    Column("head", String(128)),
    Column("gap_since", Micros),
    Column("gap_events", BigInteger),
    Column("gap_reason", Text),
    Column("target", String(260)),
    Column("rule", String(200)),
    Column("verdict", String(16)),
)
Index("ix_sessions_started_at", sessions.c.started_at, sessions.c.id)
Index("ix_sessions_type", sessions.c.type, sessions.c.started_at, sessions.c.id)
Index("ix_sessions_status", sessions.c.status, sessions.c.started_at)
Index("ix_sessions_user_id", sessions.c.user_id, sessions.c.started_at)
Index("ix_sessions_connection", sessions.c.connection, sessions.c.started_at)
