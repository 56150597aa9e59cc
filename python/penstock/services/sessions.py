"""Sessions: who did what, and its recording."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import structlog

from penstock.domain.errors import PenstockError, conflict, not_found
from penstock.domain.ports import Engine, RecordingArchive, RecordingReader, SessionRepository
from penstock.domain.recording import Verification
from penstock.domain.session import RECORDED, Meter, Session, SessionFilter, SessionStatus
from penstock.domain.user import Identity
from penstock.services.endings import Endings

REPLAY_BATCH = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Some sessions, newest first, and whether there are older ones."""

    items: Sequence[Session]
    more: bool


class Sessions:
    """Users see their own sessions, admins all."""

    def __init__(
        self,
        sessions: SessionRepository,
        archive: RecordingArchive,
        reader: RecordingReader,
        engine: Engine,
        endings: Endings,
    ) -> None:
        self._sessions = sessions
        self._archive = archive
        self._reader = reader
        self._engine = engine
        self._endings = endings
        self._log = structlog.get_logger("penstock.services.sessions")

    async def list(self, identity: Identity, which: SessionFilter, limit: int) -> Page:
        """At most ``limit`` of those that the filter selects and this user may see."""
        mine = None if identity.admin else identity.user.id
        found = await self._sessions.list(replace(which, user_id=mine, limit=limit + 1))
        live = self._engine.sessions()
        return Page([_metered(s, live.get(s.id)) for s in found[:limit]], more=len(found) > limit)

    async def get(self, identity: Identity, session_id: str) -> Session:
        """Raises ``not-found``, also for somebody else's."""
        session = await self._sessions.get(session_id)
        if session is None or (session.user_id != identity.user.id and not identity.admin):
            raise not_found("session", session_id, hint="list yours: penstock sessions list")
        return _metered(session, self._engine.sessions().get(session_id))

    async def replay(self, identity: Identity, session_id: str) -> AsyncIterator[str]:
        """The events as JSON objects, one a line, in chunks; of a live session what is written so far.

        Raises ``not-found`` if there is no recording. One that turns out bad on the way ends with an object
        of type ``fault`` that says where: what came before holds.
        """
        path = await self._path(await self.get(identity, session_id))
        return _chunks(self._reader.replay(path))

    async def verify(self, identity: Identity, session_id: str) -> Verification:
        """Whether the recording holds what was recorded, up to the noted head."""
        session = await self.get(identity, session_id)
        path = await self._path(session)
        return await asyncio.to_thread(self._reader.verify, path, session.head)

    def recording_key(self) -> str:
        """What proves that a recording is the gateway's, in PEM; no secret."""
        return self._archive.public_key()

    async def kill(self, identity: Identity, session_id: str) -> None:
        """Ends a live session. Raises ``conflict`` if it is over."""
        session = await self.get(identity, session_id)
        if session.status is not SessionStatus.OPEN:
            raise conflict(f"the session is over: {session.status}")
        self._log.info("session kill", actor=identity.user.email, session=session_id)
        await self._endings.end([session_id], f"killed by {identity.user.email}")

    async def _path(self, session: Session) -> Path:
        path = await self._archive.locate(session.id, session.started_at)
        if path is None:
            removed, none = "its file was removed", "what leaves is not recorded: see the access log"
            hint = removed if session.type in RECORDED else none
            raise not_found("recording of session", session.id, hint=hint)
        return path


def _metered(session: Session, meter: Meter | None) -> Session:
    if meter is None or session.status is not SessionStatus.OPEN:
        return session
    return replace(
        session,
        statements=meter.statements,
        client_bytes=meter.client_bytes,
        upstream_bytes=meter.upstream_bytes,
    )


async def _chunks(events: Iterator[str]) -> AsyncIterator[str]:
    while chunk := await asyncio.to_thread(_take, events):
        yield chunk


def _take(events: Iterator[str]) -> str:
    """The next lines; a fault is the last of them."""
    lines: list[str] = []
    try:
        lines.extend(islice(events, REPLAY_BATCH))
    except PenstockError as error:
        lines.append(json.dumps({"type": "fault", **error.as_json()}))
    return "".join(f"{line}\n" for line in lines)
