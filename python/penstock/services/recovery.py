"""Finds the sessions whose end nobody noted, and keeps their recordings."""

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog

from penstock.domain.errors import PenstockError
from penstock.domain.ports import (
    Clock,
    PassageRepository,
    RecordingArchive,
    RecordingReader,
    SessionRepository,
    UserRepository,
)
from penstock.domain.recording import Summary
from penstock.domain.session import Session, SessionEnd, SessionStatus, SessionType

REASON = "the gateway stopped before the session ended"


class Recovery:
    """Runs at start, when nothing is live, and now and then for what went wrong meanwhile."""

    def __init__(
        self,
        sessions: SessionRepository,
        passages: PassageRepository,
        users: UserRepository,
        archive: RecordingArchive,
        reader: RecordingReader,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._passages = passages
        self._users = users
        self._archive = archive
        self._reader = reader
        self._clock = clock
        self._log = structlog.get_logger("penstock.services.recovery")

    async def sweep(self, live: Collection[str], settled: timedelta) -> int:
        """Ends what is open and not live, and older than ``settled``; how many sessions that were.

        The younger ones may be about to begin.
        """
        before = self._clock.now() - settled
        files = [s for s in await self._archive.left_behind() if s not in live]
        open_ids = [s for s in await self._sessions.open_ids() if s not in live]
        ended = await self._passages.interrupt(live, before, REASON)
        for session_id in dict.fromkeys([*files, *open_ids]):
            try:
                ended += await self._settle(session_id, before)
            except PenstockError as error:
                # One bad file must not keep the gateway from starting; it stays where it is.
                self._log.error("recording not recovered", session=session_id, error=error.message)
        if ended:
            self._log.warning("sessions were interrupted", sessions=ended)
        return ended

    async def _settle(self, session_id: str, before: datetime) -> bool:
        session = await self._sessions.get(session_id)
        if session is not None and session.status is not SessionStatus.OPEN:
            summary = await asyncio.to_thread(self._reader.summarise, self._archive.live_path(session_id))
            await self._archive.keep(session_id, session.started_at, summary.head)
            return False
        path = self._archive.live_path(session_id)
        if session is None:
            return await self._restore(
                session_id, await asyncio.to_thread(self._reader.summarise, path), before
            )
        if session.started_at > before:
            return False
        located = await self._archive.locate(session_id, session.started_at)
        head, (end, at) = None, _without_recording(session)
        if located is not None:
            summary = await asyncio.to_thread(self._reader.summarise, located)
            head, (end, at) = summary.head, _end_of(summary)
        # The recording begins a moment before the store knows of the session.
        await self._sessions.end(session_id, end, max(at, session.started_at))
        await self._archive.keep(session_id, session.started_at, head)
        return True

    async def _restore(self, session_id: str, summary: Summary, before: datetime) -> bool:
        """The file is there and the store knows nothing: it was restored, or never heard of the session."""
        if summary.started_at > before:
            return False
        user = await self._users.get(summary.principal)
        end, at = _end_of(summary)
        session = Session(
            id=session_id,
            connection=summary.connection,
            type=SessionType(summary.protocol),
            agent=None,
            user_id="" if user is None else user.id,
            principal=summary.principal,
            token_id="",
            peer="",
            started_at=summary.started_at,
            status=end.status,
            reason=end.reason,
            ended_at=at,
            statements=end.statements,
            client_bytes=end.client_bytes,
            upstream_bytes=end.upstream_bytes,
            head=end.head,
        )
        await self._sessions.restore(session)
        await self._archive.keep(session_id, session.started_at, summary.head)
        return True


def _end_of(summary: Summary) -> tuple[SessionEnd, datetime]:
    """As the recording tells it: a session whose last record is there did end, only nobody noted it."""
    end = SessionEnd(
        status=summary.status or SessionStatus.INTERRUPTED,
        reason=summary.reason if summary.status else REASON,
        statements=summary.statements,
        client_bytes=summary.client_bytes,
        upstream_bytes=summary.upstream_bytes,
        head=summary.head.hash,
        records=summary.head.records,
    )
    return end, summary.last_at


def _without_recording(session: Session) -> tuple[SessionEnd, datetime]:
    reason = f"{REASON}, and its recording is missing"
    return SessionEnd(SessionStatus.INTERRUPTED, reason, 0, 0, 0, None), session.started_at
