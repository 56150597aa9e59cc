"""What left by the forward proxy, in the store: sessions of type ``egress``."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from penstock.domain.session import Session, SessionStatus, SessionType
from penstock.store.database import Database
from penstock.store.schema import sessions, to_micros
from penstock.store.sessions import values_of
from penstock.store.tokens import living

AT_ONCE = 500
"""Rows that one statement changes: others shall get their turn."""

_OURS = sessions.c.type == SessionType.EGRESS.value
_OPEN = sessions.c.status == SessionStatus.OPEN.value
_ENDING = ("status", "reason", "ended_at", "client_bytes", "upstream_bytes", "verdict")


class PassageTable:
    """Implements ``PassageRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def note(self, passages: Sequence[Session]) -> Sequence[str]:
        """Adds or ends them; the open ones whose caller's token proves nothing any more."""
        proofs = {p.token_id for p in passages if p.token_id and p.status is SessionStatus.OPEN}
        async with self._database.write() as transaction:
            alive = {"", *(await transaction.execute(living(proofs))).scalars()}
            gone = {p.id for p in passages if p.status is SessionStatus.OPEN and p.token_id not in alive}
            rows = [values_of(p) for p in passages if p.id not in gone]
            if rows:
                await transaction.execute(_upsert(), rows)
        return sorted(gone)

    async def interrupt(self, live: Collection[str], before: datetime, reason: str) -> int:
        """Ends what is open, not live, and began before then; how many."""
        query = select(sessions.c.id).where(_OURS, _OPEN, sessions.c.started_at <= before)
        async with self._database.read() as transaction:
            lost = [found for found in (await transaction.execute(query)).scalars() if found not in live]
        change = update(sessions).values(status=SessionStatus.INTERRUPTED.value, reason=reason)
        for start in range(0, len(lost), AT_ONCE):
            some = lost[start : start + AT_ONCE]
            async with self._database.write() as transaction:
                await transaction.execute(change.where(_OPEN, sessions.c.id.in_(some)))
        return len(lost)

    async def prune(self, keep: int) -> int:
        """Deletes ended ones but for the newest ``keep``; how many."""
        order = sessions.c.started_at, sessions.c.id
        newest_first = [column.desc() for column in order]
        last = select(*order).where(_OURS).order_by(*newest_first).limit(1).offset(keep)
        async with self._database.read() as transaction:
            boundary = (await transaction.execute(last)).first()
        if boundary is None:
            return 0
        newest_old = tuple_(to_micros(boundary.started_at), boundary.id)
        old = select(sessions.c.id).where(_OURS, ~_OPEN, tuple_(*order) <= newest_old).limit(AT_ONCE)
        deleted = 0
        while True:
            async with self._database.write() as transaction:
                count = (await transaction.execute(delete(sessions).where(sessions.c.id.in_(old)))).rowcount
            deleted += count
            if count < AT_ONCE:
                return deleted


def _upsert() -> Any:  # noqa: ANN401 - the dialect's insert has no public type
    statement = insert(sessions)
    ending = {column: statement.excluded[column] for column in _ENDING}
    return statement.on_conflict_do_update(index_elements=[sessions.c.id], set_=ending, where=_OPEN)
