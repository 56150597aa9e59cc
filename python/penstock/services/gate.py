"""What the engine asks at the boundaries: who is this, may it, it begins, it is over."""

import uuid

import structlog

from penstock.domain.app import Visitor
from penstock.domain.connection import Connection
from penstock.domain.errors import Code, PenstockError, Side, forbidden, not_found, unauthenticated
from penstock.domain.plan import Limits, Plan, RecordingRules
from penstock.domain.ports import (
    AgentRepository,
    Clock,
    ConnectionRepository,
    PassageRepository,
    RecordingArchive,
    Secrets,
    SessionRepository,
)
from penstock.domain.principal import (
    AgentCredential,
    AgentPrincipal,
    CertificateCredential,
    Credential,
    Principal,
    UserPrincipal,
)
from penstock.domain.question import (
    NOTED,
    Answer,
    Authenticate,
    Begin,
    Call,
    Decide,
    Ended,
    Enter,
    Passages,
    Question,
    Revoked,
    Verdict,
)
from penstock.domain.recording import Head
from penstock.domain.session import Session, SessionEnd, SessionType
from penstock.domain.user import Identity
from penstock.policy.decision import Context, Deny, Subject, Verb
from penstock.policy.engine import PolicyEngine
from penstock.services.authentication import Authentication
from penstock.services.certificates import CertificateGate
from penstock.services.plans import login, target
from penstock.services.visits import Visits


class Gate:
    """Answers the engine. Every denial is a :class:`PenstockError` with a hint."""

    def __init__(
        self,
        authentication: Authentication,
        certificates: CertificateGate,
        visits: Visits,
        agents: AgentRepository,
        connections: ConnectionRepository,
        sessions: SessionRepository,
        passages: PassageRepository,
        archive: RecordingArchive,
        policy: PolicyEngine,
        secrets: Secrets,
        clock: Clock,
        limits: Limits,
        rules: RecordingRules,
    ) -> None:
        self._authentication = authentication
        self._certificates = certificates
        self._visits = visits
        self._agents = agents
        self._connections = connections
        self._sessions = sessions
        self._passages = passages
        self._archive = archive
        self._policy = policy
        self._secrets = secrets
        self._clock = clock
        self._limits = limits
        self._rules = rules
        self._nobody = secrets.digest(secrets.agent_secret())
        self._log = structlog.get_logger("penstock.services.gate")

    async def answer(self, question: Question) -> Verdict:
        """Raises :class:`PenstockError` to deny."""
        match question:
            case Authenticate(credential=credential, peer=peer):
                return await self.authenticate(credential, peer)
            case Decide(principal=principal, connection=connection, peer=peer):
                return await self.decide(principal, connection, peer)
            case Begin():
                return await self.begin(question)
            case Ended():
                return await self.ended(question)
            case Enter():
                return await self._visits.enter(question)
            case Call():
                return await self.call(question)
            case Passages():
                return await self.passages(question)

    async def authenticate(self, credential: Credential, peer: str) -> Principal:
        """Whom this credential proves."""
        if isinstance(credential, AgentCredential):
            return await self._agent(credential, peer)
        if isinstance(credential, CertificateCredential):
            return await self._certificates.identify(credential, peer)
        identity = await self._authentication.identify(credential.token)
        return UserPrincipal(identity.user.id, identity.user.email, identity.token.id)

    async def decide(self, principal: Principal, name: str, peer: str) -> Plan:
        """The plan of a new session. The token is looked at again: links outlive revocations."""
        identity, connection = await self._authorise(principal, name, peer)
        session_id = str(uuid.uuid4())
        return Plan(
            session=session_id,
            connection=connection.name,
            agent=connection.agent,
            target=target(connection),
            login=login(connection),
            recording=str(self._archive.live_path(session_id)),
            rules=self._rules,
            limits=self._limits,
            expires_at=identity.token.expires_at,
        )

    async def begin(self, question: Begin) -> Answer:
        """Notes the session as open. What was allowed a moment ago is decided anew."""
        identity, connection = await self._authorise(question.principal, question.connection, question.peer)
        session = Session(
            id=str(uuid.UUID(question.session)),
            connection=connection.name,
            type=SessionType(connection.type),
            agent=connection.agent,
            user_id=identity.user.id,
            principal=identity.user.email,
            token_id=identity.token.id,
            peer=question.peer,
            started_at=self._clock.now(),
            client=question.client,
        )
        if not await self._sessions.begin(session):
            raise unauthenticated("the token was revoked or the connection deleted meanwhile")
        return NOTED

    async def ended(self, question: Ended) -> Answer:
        """Signs and moves the recording, then notes how the session ended: whoever reads that finds both.

        Raises ``recorder`` if it cannot be moved: the end is noted all the same, and the move tried again.
        """
        session = await self._sessions.get(question.session)
        if session is None:
            raise not_found("session", question.session)
        at = self._clock.now()
        try:
            kept = await self._archive.keep(session.id, session.started_at, _head(question.end))
        finally:
            await self._sessions.end(session.id, question.end, at)
        if kept is None and question.end.gap is None:
            raise PenstockError(
                Code.RECORDER,
                Side.GATEWAY,
                f"session {session.id} has no recording",
                hint="see PLUGIN_AUDIT_PATH",
            )
        return NOTED

    async def call(self, question: Call) -> Visitor:
        """Who calls the forward proxy. Whoever says a name proves that one, and no other."""
        identity = await self._authentication.identify(question.token)
        user, token = identity.user, identity.token
        if question.name is not None and question.name.lower() != user.email.lower():
            self._log.warning("caller refused", name=question.name, account=user.email, peer=question.peer)
            raise unauthenticated(
                "the key is another's", hint="set the proxy's URL to http://NAME:KEY@HOST:PORT"
            )
        return Visitor(user.id, user.email, user.groups, token.id, token.expires_at)

    async def passages(self, question: Passages) -> Verdict:
        """Notes what is open and what has ended at the forward proxy."""
        revoked = await self._passages.note(question.sessions)
        return Revoked(tuple(revoked)) if revoked else NOTED

    async def _agent(self, credential: AgentCredential, peer: str) -> AgentPrincipal:
        digest = await self._agents.digest(credential.name)
        fits = self._secrets.matches(credential.secret, digest or self._nobody)
        if digest is None or not fits:
            self._log.warning("agent refused", agent=credential.name, peer=peer)
            raise PenstockError(
                Code.UNAUTHENTICATED,
                Side.AGENT,
                "the agent's key is wrong, or the agent was deleted",
                hint=f"make a new key: penstock admin create agent {credential.name}",
            )
        await self._agents.seen([credential.name], self._clock.now())
        return AgentPrincipal(credential.name)

    async def _authorise(self, principal: Principal, name: str, peer: str) -> tuple[Identity, Connection]:
        if not isinstance(principal, UserPrincipal):
            raise forbidden("only users open sessions", hint="log in: penstock login")
        identity = await self._authentication.recheck(principal.token)
        connection = await self._connections.get(name)
        if connection is None:
            raise not_found("connection", name, hint="list those you may use: penstock list")
        subject = Subject(identity.user.email, identity.user.groups)
        decision = self._policy.decide(subject, connection, Verb.CONNECT, Context(peer))
        if isinstance(decision, Deny):
            raise forbidden(decision.reason, hint=decision.hint)
        return identity, connection


def _head(end: SessionEnd) -> Head | None:
    return None if end.head is None else Head(end.records, end.head)
