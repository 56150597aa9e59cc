"""Sessions in the store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from penstock.domain.session import (
    RECORDED,
    Client,
    Gap,
    Session,
    SessionEnd,
    SessionFilter,
    SessionStatus,
    SessionType,
)
from penstock.store.database import Database
from penstock.store.schema import connections, sessions, to_micros, tokens


class SessionTable:
    """Implements ``SessionRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, session: Session) -> bool:
        """Adds it unless its token or its connection is gone.

        In one transaction, so that whoever deletes either sees this session or keeps it from beginning.
        """
        token = select(tokens.c.id).where(tokens.c.id == session.token_id)
        connection = select(connections.c.id).where(connections.c.name == session.connection)
        async with self._database.write() as transaction:
            for needed in (token, connection):
                if (await transaction.execute(needed)).first() is None:
                    return False
            await transaction.execute(insert(sessions).values(values_of(session)))
            return True

    async def get(self, session_id: str) -> Session | None:
        """By identifier."""
        async with self._database.read() as transaction:
            row = (await transaction.execute(select(sessions).where(sessions.c.id == session_id))).first()
        return None if row is None else _session(row)

    async def list(self, which: SessionFilter) -> Sequence[Session]:
        """Newest first."""
        async with self._database.read() as transaction:
            return [_session(row) for row in await transaction.execute(_page(which))]

    async def end(self, session_id: str, end: SessionEnd, at: datetime) -> bool:
        """Ends an open session; False if it is not open."""
        statement = (
            update(sessions)
            .where(sessions.c.id == session_id, sessions.c.status == SessionStatus.OPEN.value)
            .values(
                status=end.status.value,
                reason=end.reason,
                ended_at=at,
                statements=end.statements,
                client_bytes=end.client_bytes,
                upstream_bytes=end.upstream_bytes,
                head=end.head,
                **_gap(end.gap),
            )
        )
        async with self._database.write() as transaction:
            return (await transaction.execute(statement)).rowcount > 0

    async def restore(self, session: Session) -> bool:
        """Adds a session that is known by its recording alone; False if it is known already."""
        statement = insert_or_ignore(sessions).values(values_of(session)).on_conflict_do_nothing()
        async with self._database.write() as transaction:
            return (await transaction.execute(statement)).rowcount > 0

    async def open_ids(self) -> Sequence[str]:
        """The recorded sessions that the store believes to be live."""
        is_open, is_recorded = sessions.c.status == SessionStatus.OPEN.value, sessions.c.type.in_(RECORDED)
        query = select(sessions.c.id).where(is_open, is_recorded)
        async with self._database.read() as transaction:
            return list((await transaction.execute(query)).scalars())


def _page(which: SessionFilter) -> Select[Any]:
    query = select(sessions).order_by(sessions.c.started_at.desc(), sessions.c.id.desc()).limit(which.limit)
    equal = {
        sessions.c.status: which.status.value if which.status else None,
        sessions.c.connection: which.connection,
        sessions.c.principal: which.principal,
        sessions.c.user_id: which.user_id,
        sessions.c.token_id: which.token_id,
        sessions.c.agent: which.agent,
    }
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if which.types is not None:
        query = query.where(sessions.c.type.in_(which.types))
    if which.before is not None:
        started_at, session_id = which.before
        query = query.where(
            tuple_(sessions.c.started_at, sessions.c.id) < tuple_(to_micros(started_at), session_id)
        )
    return query


def values_of(session: Session) -> dict[str, Any]:
    """Its row."""
    return {
        "id": session.id,
        "connection": session.connection,
        "type": session.type.value,
        "agent": session.agent,
        "user_id": session.user_id,
        "principal": session.principal,
        "token_id": session.token_id,
        "peer": session.peer,
        "started_at": session.started_at,
        "status": session.status.value,
        "reason": session.reason,
        "ended_at": session.ended_at,
        "statements": session.statements,
        "client_bytes": session.client_bytes,
        "upstream_bytes": session.upstream_bytes,
        "client_user": session.client.user,
        "client_database": session.client.database,
        "client_application": session.client.application,
        "head": session.head,
        "target": session.target,
        "rule": session.rule,
        "verdict": session.verdict,
        **_gap(session.gap),
    }


def _gap(gap: Gap | None) -> dict[str, Any]:
    return {
        "gap_since": None if gap is None else gap.since,
        "gap_events": None if gap is None else gap.events,
        "gap_reason": None if gap is None else gap.reason,
    }


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        connection=row.connection,
        type=SessionType(row.type),
        agent=row.agent,
        user_id=row.user_id,
        principal=row.principal,
        token_id=row.token_id,
        peer=row.peer,
        started_at=row.started_at,
        status=SessionStatus(row.status),
        reason=row.reason,
        ended_at=row.ended_at,
        statements=row.statements,
        client_bytes=row.client_bytes,
        upstream_bytes=row.upstream_bytes,
        client=Client(row.client_user, row.client_database, row.client_application),
        head=row.head,
        gap=None if row.gap_since is None else Gap(row.gap_since, row.gap_events, row.gap_reason),
        target=row.target,
        rule=row.rule,
        verdict=row.verdict,
    )
