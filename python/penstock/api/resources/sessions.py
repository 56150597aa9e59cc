"""``/api/sessions``: who did what."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Query
from starlette.responses import StreamingResponse

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Shape
from penstock.domain.errors import malformed
from penstock.domain.recording import Verification
from penstock.domain.session import Gap, Session, SessionFilter, SessionStatus, SessionType
from penstock.services.sessions import Sessions

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ReplayResponse(StreamingResponse):
    """One JSON object a line."""

    media_type = "application/x-ndjson"


class ClientShape(Shape):
    """What the client said of itself."""

    user: str
    database: str
    application: str


class RecordingKeyShape(Shape):
    """The public key of recordings, in PEM."""

    key: str


class GapShape(Shape):
    """What is not in the recording."""

    since: datetime
    events: int
    reason: str

    @classmethod
    def of(cls, gap: Gap) -> "GapShape":
        """Its shape."""
        return cls(since=gap.since, events=gap.events, reason=gap.reason)


class SessionShape(Shape):
    """A session. Of type ``egress`` it has no connection, but ``target``, ``rule`` and ``verdict``."""

    id: str
    connection: str | None
    type: SessionType
    principal: str
    status: SessionStatus
    reason: str | None
    started_at: datetime
    ended_at: datetime | None
    statements: int
    client_bytes: int
    upstream_bytes: int
    client: ClientShape
    peer: str
    head: str | None
    gap: GapShape | None
    target: str | None
    rule: str | None
    verdict: str | None

    @classmethod
    def of(cls, session: Session) -> "SessionShape":
        """Its shape."""
        said = session.client
        return cls(
            id=session.id,
            connection=session.connection or None,
            type=session.type,
            principal=session.principal,
            status=session.status,
            reason=session.reason,
            started_at=session.started_at,
            ended_at=session.ended_at,
            statements=session.statements,
            client_bytes=session.client_bytes,
            upstream_bytes=session.upstream_bytes,
            client=ClientShape(user=said.user, database=said.database, application=said.application),
            peer=session.peer,
            head=session.head,
            gap=None if (gap := session.gap) is None else GapShape.of(gap),
            target=session.target,
            rule=session.rule,
            verdict=session.verdict,
        )


class SessionPageShape(Shape):
    """Some sessions, newest first. ``next``, given as ``before``, leads to the older ones."""

    items: list[SessionShape]
    next: str | None


class FaultShape(Shape):
    """The first bad record of a recording."""

    record: int
    offset: int
    what: str


class VerificationShape(Shape):
    """Whether a recording holds what was recorded."""

    ok: bool
    records: int
    ended: bool
    head: str
    fault: FaultShape | None

    @classmethod
    def of(cls, result: Verification) -> "VerificationShape":
        """Its shape."""
        bad = result.fault
        fault = None if bad is None else FaultShape(record=bad.record, offset=bad.offset, what=bad.what)
        return cls(ok=result.ok, records=result.records, ended=result.ended, head=result.head, fault=fault)


class SessionResource:
    """Users see their own sessions, admins all."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        user, one = Permission.USER, "/api/sessions/{session_id}"
        return [
            Endpoint(
                method="GET", path="/api/sessions", call=self.list, permission=user, answers=SessionPageShape
            ),
            Endpoint(
                method="GET",
                path="/api/recordings/key",
                call=self.key,
                permission=user,
                answers=RecordingKeyShape,
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=user, answers=SessionShape),
            Endpoint(
                method="GET",
                path=f"{one}/replay",
                call=self.replay,
                permission=user,
                response=ReplayResponse,
            ),
            Endpoint(
                method="POST",
                path=f"{one}/verify",
                call=self.verify,
                permission=user,
                answers=VerificationShape,
            ),
            Endpoint(
                method="POST",
                path=f"{one}/kill",
                call=self.kill,
                permission=user,
                answers=SessionShape,
                status=202,
            ),
        ]

    async def list(
        self,
        identity: CurrentIdentity,
        status: SessionStatus | None = None,
        kind: Annotated[SessionType | None, Query(alias="type")] = None,
        connection: Annotated[str | None, Query(max_length=64)] = None,
        principal: Annotated[str | None, Query(max_length=254)] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[str | None, Query(max_length=200)] = None,
    ) -> SessionPageShape:
        """Newest first."""
        which = SessionFilter(
            status=status,
            types=None if kind is None else frozenset({kind}),
            connection=connection,
            principal=principal,
            before=None if before is None else _read_cursor(before),
        )
        page = await self._sessions.list(identity, which, limit)
        following = _cursor(page.items[-1]) if page.more else None
        return SessionPageShape(items=[SessionShape.of(session) for session in page.items], next=following)

    async def key(self) -> RecordingKeyShape:
        """What proves that a recording is this gateway's, without a gateway."""
        return RecordingKeyShape(key=self._sessions.recording_key())

    async def get(self, session_id: str, identity: CurrentIdentity) -> SessionShape:
        """One."""
        return SessionShape.of(await self._sessions.get(identity, session_id))

    async def replay(self, session_id: str, identity: CurrentIdentity) -> ReplayResponse:
        """What happened, one JSON object a line; of a live session what is written so far."""
        return ReplayResponse(await self._sessions.replay(identity, session_id))

    async def verify(self, session_id: str, identity: CurrentIdentity) -> VerificationShape:
        """Checks the recording's chain up to the head that the store noted."""
        return VerificationShape.of(await self._sessions.verify(identity, session_id))

    async def kill(self, session_id: str, identity: CurrentIdentity) -> SessionShape:
        """Ends a live session."""
        await self._sessions.kill(identity, session_id)
        return SessionShape.of(await self._sessions.get(identity, session_id))


def _cursor(session: Session) -> str:
    micros = (session.started_at - _EPOCH) // _MICROSECOND
    return base64.urlsafe_b64encode(f"{micros} {session.id}".encode()).decode("ascii")


def _read_cursor(text: str) -> tuple[datetime, str]:
    try:
        micros, session_id = base64.urlsafe_b64decode(text).decode("ascii").split(" ")
        return _EPOCH + timedelta(microseconds=int(micros)), session_id
    except (binascii.Error, UnicodeError, ValueError, OverflowError):
        raise malformed("before is not a cursor", hint="give what the previous page had as next") from None
