"""Ends the live sessions of what was taken away."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace

import structlog

from penstock.domain.ports import ConnectionRepository, Engine, SessionRepository, UserRepository
from penstock.domain.session import RECORDED, Session, SessionFilter, SessionStatus
from penstock.policy.decision import Context, Deny, Subject, Verb
from penstock.policy.engine import PolicyEngine

TRIES = 20
PAUSE_SECONDS = 0.05


class Endings:
    """Takes effect within a second, also for a session that is just beginning."""

    def __init__(
        self,
        sessions: SessionRepository,
        users: UserRepository,
        connections: ConnectionRepository,
        policy: PolicyEngine,
        engine: Engine,
    ) -> None:
        self._sessions = sessions
        self._users = users
        self._connections = connections
        self._policy = policy
        self._engine = engine
        self._log = structlog.get_logger("penstock.services.endings")

    async def matching(self, which: SessionFilter, reason: str) -> None:
        """Ends the live sessions that the filter selects."""
        live = await self._sessions.list(replace(which, status=SessionStatus.OPEN))
        await self.end((session.id for session in live), reason)

    async def undo_denied(self) -> None:
        """Decides every live session again, and ends those that would be denied now.

        Visitors of apps are decided about at their next requests. What left by the forward proxy was decided
        by its own rules.
        """
        self._engine.forget_visitors()
        live = await self._sessions.list(SessionFilter(status=SessionStatus.OPEN, types=RECORDED))
        denied = [(s.id, reason) for s in live if (reason := await self._denial(s)) is not None]
        await asyncio.gather(*(self.end([session_id], reason) for session_id, reason in denied))

    async def end(self, session_ids: Iterable[str], reason: str) -> None:
        """Ends these sessions.

        The engine knows a session only after its beginning was noted here, so what it does not know yet is
        tried again until it is not open any more.
        """
        pending = set(session_ids)
        for _ in range(TRIES):
            pending = {s for s in pending if not self._engine.kill(s, SessionStatus.KILLED, reason)}
            if pending:
                pending &= set(await self._sessions.open_ids())
            if not pending:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        self._log.warning("sessions are open in the store and not live", sessions=sorted(pending))

    async def _denial(self, session: Session) -> str | None:
        user = await self._users.get(session.user_id)
        connection = await self._connections.get(session.connection)
        if user is None or connection is None:
            return "its user or its connection was deleted"
        subject = Subject(user.email, user.groups)
        decision = self._policy.decide(subject, connection, Verb.CONNECT, Context(session.peer))
        return decision.reason if isinstance(decision, Deny) else None
