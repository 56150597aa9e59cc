"""The control plane on a real SQLite file, with a scripted engine and a clock that tests turn."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from argon2 import PasswordHasher
from penstock.api.app import create_app
from penstock.domain.agent import AgentPresence
from penstock.domain.app import App, AppPresence
from penstock.domain.connection import ConnectionType
from penstock.domain.errors import PenstockError, internal
from penstock.domain.plan import Limits, RecordingRules
from penstock.domain.principal import UserPrincipal
from penstock.domain.question import Begin
from penstock.domain.recording import Summary, Verification
from penstock.domain.session import Client, Meter, SessionStatus
from penstock.domain.user import Identity
from penstock.identity.passwords import Argon2Passwords
from penstock.identity.secret_box import FernetBox
from penstock.identity.secrets import RandomSecrets
from penstock.identity.signing import signing_key
from penstock.identity.throttle import FailedLogins
from penstock.policy.engine import PolicyEngine
from penstock.policy.rules.access import AccessRule
from penstock.policy.rules.groups import GroupsRule
from penstock.recordings.archive import RecordingFolders
from penstock.recordings.seals import Seals
from penstock.services import Services
from penstock.services.agents import Agents
from penstock.services.apps import Apps, NewApp
from penstock.services.authentication import Authentication
from penstock.services.certificates import CertificateGate, Certificates
from penstock.services.connections import Connections, NewConnection
from penstock.services.endings import Endings
from penstock.services.gate import Gate
from penstock.services.groups import Groups
from penstock.services.health import Health
from penstock.services.recovery import Recovery
from penstock.services.server import ServerInfo
from penstock.services.service_accounts import ServiceAccounts
from penstock.services.sessions import Sessions
from penstock.services.setup import Setup
from penstock.services.tokens import Tokens
from penstock.services.users import Users
from penstock.services.visits import Visits
from penstock.store.agents import AgentTable
from penstock.store.apps import AppTable
from penstock.store.connections import ConnectionTable
from penstock.store.database import Database
from penstock.store.groups import GroupTable
from penstock.store.passages import PassageTable
from penstock.store.revocations import RevocationTable
from penstock.store.service_accounts import ServiceAccountTable
from penstock.store.sessions import SessionTable
from penstock.store.tokens import TokenTable
from penstock.store.users import UserTable

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse"
PEER = "203.0.113.7"
POSTGRES = {"HOST": "db.internal", "USER": "app", "PASS": "s3cret-at-rest", "DB": "shop"}
PIN = "sha256:" + "ab" * 32


@dataclass
class ManualClock:
    """Stands still until it is turned."""

    time: datetime = NOON

    def now(self) -> datetime:
        """The time that it was set to."""
        return self.time

    def turn(self, **by: float) -> None:
        """Moves on."""
        self.time += timedelta(**by)


@dataclass
class ScriptedEngine:
    """Implements ``Engine``: what is live is what a test says, and what is ended is remembered."""

    online: dict[str, AgentPresence] = field(default_factory=dict)
    live: dict[str, Meter] = field(default_factory=dict)
    killed: list[tuple[str, SessionStatus, str]] = field(default_factory=list)
    ended_tokens: list[str] = field(default_factory=list)
    ended_agents: list[str] = field(default_factory=list)
    ended_certificates: list[str] = field(default_factory=list)
    serving: dict[str, AppPresence] = field(default_factory=dict)
    published: list[Sequence[App]] = field(default_factory=list)
    forgotten: int = 0
    missed: asyncio.Event = field(default_factory=asyncio.Event)

    def agents(self) -> dict[str, AgentPresence]:
        """Those that a test put online."""
        return self.online

    def apps(self) -> dict[str, AppPresence]:
        """Those that a test put online."""
        return self.serving

    def sessions(self) -> dict[str, Meter]:
        """Those that a test made live."""
        return self.live

    def kill(self, session_id: str, status: SessionStatus, reason: str) -> bool:
        """Only what is live can be killed, once."""
        if self.live.pop(session_id, None) is None:
            self.missed.set()
            return False
        self.killed.append((session_id, status, reason))
        return True

    def end_token(self, token_id: str) -> int:
        """Remembers it."""
        self.ended_tokens.append(token_id)
        return 0

    def end_agent(self, name: str) -> int:
        """Remembers it."""
        self.ended_agents.append(name)
        return 0

    def end_certificate(self, fingerprint: str) -> None:
        """Remembers it."""
        self.ended_certificates.append(fingerprint)

    def publish(self, apps: Sequence[App]) -> None:
        """Remembers them."""
        self.published.append(apps)

    def forget_visitors(self) -> None:
        """Counts."""
        self.forgotten += 1


@dataclass
class ScriptedReader:
    """Implements ``RecordingReader``: a recording is what a test wrote, its summary what a test says."""

    summaries: dict[str, Summary] = field(default_factory=dict)
    verification: Verification = field(default_factory=lambda: Verification(True, 3, True, "beef", None))
    fault: PenstockError | None = None
    verified: list[tuple[Path, str | None]] = field(default_factory=list)

    def replay(self, path: Path) -> Iterator[str]:
        """The file's lines, and then the fault if there is one."""
        yield from path.read_text().splitlines()
        if self.fault is not None:
            raise self.fault

    def verify(self, path: Path, head: str | None) -> Verification:
        """Remembers what was asked."""
        self.verified.append((path, head))
        return self.verification

    def summarise(self, path: Path) -> Summary:
        """By the file's name."""
        if path.stem not in self.summaries:
            raise internal(f"{path.name} cannot be read")
        return self.summaries[path.stem]


@dataclass
class World:
    """All of it."""

    folder: Path
    database: Database
    clock: ManualClock
    engine: ScriptedEngine
    reader: ScriptedReader
    archive: RecordingFolders
    policy: PolicyEngine
    users: UserTable
    tokens: TokenTable
    agents: AgentTable
    apps: AppTable
    connections: ConnectionTable
    sessions: SessionTable
    passages: PassageTable
    groups: GroupTable
    revocations: RevocationTable
    authentication: Authentication
    endings: Endings
    recovery: Recovery
    gate: Gate
    services: Services

    async def admin(self) -> Identity:
        """The first admin, made if need be."""
        token = await self.services.setup.prepare("admin@example.com", PASSWORD)
        assert token is None
        return (await self.authentication.login("admin@example.com", PASSWORD, PEER)).identity

    async def user(self, email: str, *groups: str) -> Identity:
        """A user who has logged in."""
        await self.services.users.create(await self.admin(), email, PASSWORD, groups)
        return (await self.authentication.login(email, PASSWORD, PEER)).identity

    async def connection(self, name: str, *groups: str, agent: str | None = None) -> None:
        """A Postgres connection."""
        new = NewConnection(name, ConnectionType.POSTGRES, agent, POSTGRES, groups)
        await self.services.connections.create(await self.admin(), new)

    async def app(self, name: str, *access: str, identify: bool = True) -> None:
        """An app at ``NAME.example``, served by workers of its name."""
        new = NewApp(name, [f"{name}.example"], [], identify, access, "least-in-flight", 60)
        await self.services.apps.create(await self.admin(), new)

    async def begin(self, identity: Identity, connection: str) -> str:
        """A session that is open and live, with a recording of one line; its identifier."""
        principal = UserPrincipal(identity.user.id, identity.user.email, identity.token.id)
        plan = await self.gate.decide(principal, connection, PEER)
        client = Client("app", "shop", "psql")
        await self.gate.begin(Begin(plan.session, connection, principal, client, PEER))
        write_recording(Path(plan.recording))
        self.engine.live[plan.session] = Meter(1, 20, 300)
        return plan.session

    @asynccontextmanager
    async def api(self, token: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the API, with a token or without."""
        headers = {"x-forwarded-for": f"{PEER}:5555"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        transport = httpx.ASGITransport(app=create_app(self.services))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://penstock", headers=headers
        ) as client:
            yield client

    async def token(self, email: str) -> str:
        """A token of this user, by password."""
        return (await self.authentication.login(email, PASSWORD, PEER)).secret


def write_recording(path: Path) -> None:
    """What the scripted reader replays."""
    path.write_text(json.dumps({"type": "opened"}) + "\n")


@asynccontextmanager
async def open_world(folder: Path) -> AsyncIterator[World]:
    """A world in this folder; its store is closed at the end."""
    database = await Database.open(folder / "penstock.db")
    try:
        yield _build(folder, database)
    finally:
        await database.close()


def _copy(source: Path, target: Path) -> None:
    """In the place of a compression: the scripted reader reads lines."""
    shutil.copy(source, target)


def _build(folder: Path, database: Database) -> World:
    clock, engine, reader, secrets = ManualClock(), ScriptedEngine(), ScriptedReader(), RandomSecrets()
    users, tokens, agents = UserTable(database), TokenTable(database), AgentTable(database)
    connections = ConnectionTable(database, FernetBox.from_file(folder / "secret.key"))
    sessions, groups, revocations = SessionTable(database), GroupTable(database), RevocationTable(database)
    apps, passages = AppTable(database), PassageTable(database)
    (folder / "sessions").mkdir(exist_ok=True)
    (folder / "recordings").mkdir(exist_ok=True)
    seals = Seals(signing_key(folder / "recording.key"), folder / "recordings", clock)
    archive = RecordingFolders(folder / "sessions", folder / "recordings", seals, _copy)
    passwords = Argon2Passwords(hasher=PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    policy = PolicyEngine([GroupsRule("admin"), AccessRule("admin")])
    throttle = FailedLogins(clock)
    authentication = Authentication(
        users, tokens, passwords, throttle, secrets, clock, admin_group="admin", token_ttl=timedelta(hours=1)
    )
    visits = Visits(authentication, apps, policy)
    endings = Endings(sessions, users, connections, policy, engine)
    token_service = Tokens(tokens, engine, endings)
    server = ServerInfo("1.2.3", "https://gw.example:8009", "grpcs://gw.example:8010", "CA PEM\n", PIN, PIN)
    services = Services(
        authentication=authentication,
        setup=Setup(users, groups, passwords, secrets, clock, authentication, admin_group="admin"),
        tokens=token_service,
        users=Users(users, tokens, passwords, clock, token_service, endings, admin_group="admin"),
        groups=Groups(groups, endings, admin_group="admin"),
        service_accounts=ServiceAccounts(
            ServiceAccountTable(database), tokens, secrets, clock, token_service, endings
        ),
        agents=Agents(agents, secrets, clock, engine, endings, server),
        certificates=Certificates(revocations, clock, engine),
        connections=Connections(connections, agents, policy, clock, engine, endings, admin_group="admin"),
        apps=Apps(apps, policy, clock, engine),
        visits=visits,
        sessions=Sessions(sessions, archive, reader, engine, endings),
        health=Health(database),
        server=server,
    )
    limits = Limits(idle_seconds=3600, statement_bytes=1024)
    return World(
        folder=folder,
        database=database,
        clock=clock,
        engine=engine,
        reader=reader,
        archive=archive,
        policy=policy,
        users=users,
        tokens=tokens,
        agents=agents,
        apps=apps,
        connections=connections,
        sessions=sessions,
        passages=passages,
        groups=groups,
        revocations=revocations,
        authentication=authentication,
        endings=endings,
        recovery=Recovery(sessions, passages, users, archive, reader, clock),
        gate=Gate(
            authentication,
            CertificateGate(agents, apps, revocations, clock),
            visits,
            agents,
            connections,
            sessions,
            passages,
            archive,
            policy,
            secrets,
            clock,
            limits,
            RecordingRules(),
        ),
        services=services,
    )
