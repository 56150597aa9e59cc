"""The gateway, built and connected."""

import asyncio
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

from penstock.api.app import create_app
from penstock.api.routes_log import log_routes
from penstock.api.server import serving, socket_path
from penstock.app.egress import following, of_gateway
from penstock.app.signals import stop_requested
from penstock.app.startup import (
    LOCAL_AGENT,
    engine_config,
    first_admin,
    local_agent_config,
    public_config,
    refuse_what_is_not_there_yet,
    secure_cookies,
    server_identity,
    server_info,
    static_ui,
    tunnel_config,
)
from penstock.clock import SystemClock
from penstock.domain.plan import Limits, RecordingLevel, RecordingRules
from penstock.engine.agent import Agent
from penstock.engine.decider import Decider
from penstock.engine.gateway import Bound, Gateway
from penstock.engine.recordings import Recordings, compress_recording
from penstock.identity.home_lock import home_lock
from penstock.identity.passwords import Argon2Passwords
from penstock.identity.private_files import private_folder
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
from penstock.services.apps import Apps
from penstock.services.authentication import Authentication
from penstock.services.certificates import CertificateGate, Certificates
from penstock.services.connections import Connections
from penstock.services.endings import Endings
from penstock.services.gate import Gate
from penstock.services.groups import Groups
from penstock.services.health import Health
from penstock.services.housekeeping import Housekeeping
from penstock.services.recovery import Recovery
from penstock.services.server import ServerInfo
from penstock.services.service_accounts import ServiceAccounts
from penstock.services.sessions import Sessions
from penstock.services.setup import Setup
from penstock.services.tokens import Tokens
from penstock.services.users import Users
from penstock.services.visits import Visits
from penstock.settings import Settings
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


@dataclass(frozen=True, slots=True)
class _Store:
    """The repositories, on one database."""

    database: Database
    users: UserTable
    groups: GroupTable
    tokens: TokenTable
    agents: AgentTable
    apps: AppTable
    connections: ConnectionTable
    sessions: SessionTable
    passages: PassageTable
    revocations: RevocationTable


@dataclass(frozen=True, slots=True)
class _Core:
    """What the engine's questions need, and the services with it."""

    store: _Store
    archive: RecordingFolders
    policy: PolicyEngine
    clock: SystemClock
    secrets: RandomSecrets
    passwords: Argon2Passwords
    authentication: Authentication
    setup: Setup
    recovery: Recovery
    visits: Visits
    gate: Gate


async def serve(settings: Settings, *, standalone: bool) -> None:
    """Runs a gateway, and with ``standalone`` an agent beside it, until a signal ends it."""
    refuse_what_is_not_there_yet(settings)
    home = private_folder(settings.home)
    run_folder = private_folder(home / "run")
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stop_requested())
        stack.enter_context(home_lock(run_folder / "gateway.lock"))
        identity = server_identity(settings, home, standalone=standalone)
        core = _core(settings, await _store(home, stack))
        await core.recovery.sweep((), timedelta(0))
        setup_token = await core.setup.prepare(*first_admin(settings))
        decider = Decider(core.gate.answer, timeout_seconds=settings.ask_timeout_seconds * 0.9)
        path = stack.enter_context(socket_path(run_folder))
        tunnel = tunnel_config(settings, home, standalone=standalone)
        public = public_config(settings)
        source = of_gateway(settings)
        egress = None if source is None else await asyncio.to_thread(source.compile)
        config = engine_config(settings, identity, path, tunnel, public, egress, standalone=standalone)
        engine = Gateway(config, decider.ask)
        drain = _Drain(engine, decider)
        stack.push_async_callback(drain, 0.0)
        bound = await asyncio.to_thread(engine.start)
        server = server_info(settings, identity, bound)
        services, housekeeping = _services(settings, core, engine, server)
        await services.apps.publish()
        api = create_app(services, static_ui=static_ui(settings), secure_cookies=secure_cookies(settings))
        await stack.enter_async_context(serving(api, path))
        if source is not None:
            await stack.enter_async_context(following(source, engine.reconfigure_egress))
        if standalone:
            await _local_agent(settings, services.agents, bound, stack)
        _cancel_at_exit(stack, asyncio.create_task(housekeeping.run()))
        if settings.gin_mode == "debug":
            log_routes(api)
        _announce(engine, bound, server, setup_token)
        await stop.wait()
        # Before anything ends: balancers shall look elsewhere from now on.
        engine.ready(False)
        await drain(float(settings.drain_seconds))


class _Drain:
    """Stops the engine once: with grace when all went well, without it on the way out of a failed start."""

    def __init__(self, engine: Gateway, decider: Decider) -> None:
        self._engine = engine
        self._decider = decider
        self._done = False

    async def __call__(self, grace_seconds: float) -> None:
        if not self._done:
            self._done = True
            # Blocks until the last session's end was asked, which this loop answers meanwhile.
            await asyncio.to_thread(self._engine.shutdown, grace_seconds)
            await self._decider.idle()


async def _store(home: Path, stack: AsyncExitStack) -> _Store:
    box = FernetBox.from_file(home / "secret.key")
    database = await Database.open(home / "penstock.db")
    stack.push_async_callback(database.close)
    return _Store(
        database=database,
        users=UserTable(database),
        groups=GroupTable(database),
        tokens=TokenTable(database),
        agents=AgentTable(database),
        apps=AppTable(database),
        connections=ConnectionTable(database, box),
        sessions=SessionTable(database),
        passages=PassageTable(database),
        revocations=RevocationTable(database),
    )


def _core(settings: Settings, store: _Store) -> _Core:
    clock, secrets, passwords = SystemClock(), RandomSecrets(), Argon2Passwords()
    live = private_folder(settings.audit_path or settings.home / "sessions")
    kept = private_folder(settings.home / "recordings")
    key = signing_key(settings.home / "recording.key")
    archive = RecordingFolders(live.absolute(), kept, Seals(key, kept, clock), compress_recording)
    policy = PolicyEngine([GroupsRule(settings.admin_group), AccessRule(settings.admin_group)])
    authentication = Authentication(
        store.users,
        store.tokens,
        passwords,
        FailedLogins(clock),
        secrets,
        clock,
        admin_group=settings.admin_group,
        token_ttl=timedelta(seconds=settings.token_ttl_seconds),
    )
    limits = Limits(settings.session_idle_seconds, settings.statement_bytes)
    setup = Setup(
        store.users,
        store.groups,
        passwords,
        secrets,
        clock,
        authentication,
        admin_group=settings.admin_group,
    )
    visits = Visits(authentication, store.apps, policy)
    gate = Gate(
        authentication,
        CertificateGate(store.agents, store.apps, store.revocations, clock),
        visits,
        store.agents,
        store.connections,
        store.sessions,
        store.passages,
        archive,
        policy,
        secrets,
        clock,
        limits,
        RecordingRules(RecordingLevel(settings.recording_level), settings.recording_required),
    )
    recovery = Recovery(store.sessions, store.passages, store.users, archive, Recordings(), clock)
    return _Core(
        store, archive, policy, clock, secrets, passwords, authentication, setup, recovery, visits, gate
    )


def _services(
    settings: Settings, core: _Core, engine: Gateway, server: ServerInfo
) -> tuple[Services, Housekeeping]:
    store, admin_group = core.store, settings.admin_group
    endings = Endings(store.sessions, store.users, store.connections, core.policy, engine)
    tokens = Tokens(store.tokens, engine, endings)
    agents = Agents(store.agents, core.secrets, core.clock, engine, endings, server)
    services = Services(
        authentication=core.authentication,
        setup=core.setup,
        tokens=tokens,
        users=Users(
            store.users, store.tokens, core.passwords, core.clock, tokens, endings, admin_group=admin_group
        ),
        groups=Groups(store.groups, endings, admin_group=admin_group),
        service_accounts=ServiceAccounts(
            ServiceAccountTable(store.database), store.tokens, core.secrets, core.clock, tokens, endings
        ),
        agents=agents,
        certificates=Certificates(store.revocations, core.clock, engine),
        connections=Connections(
            store.connections, store.agents, core.policy, core.clock, engine, endings, admin_group=admin_group
        ),
        apps=Apps(store.apps, core.policy, core.clock, engine),
        visits=core.visits,
        sessions=Sessions(store.sessions, core.archive, Recordings(), engine, endings),
        health=Health(store.database),
        server=server,
    )
    housekeeping = Housekeeping(
        agents,
        store.tokens,
        core.archive,
        core.recovery,
        engine,
        core.clock,
        store.passages,
        keep_passages=settings.egress_sessions,
    )
    return services, housekeeping


async def _local_agent(settings: Settings, agents: Agents, bound: Bound, stack: AsyncExitStack) -> None:
    agent = Agent(local_agent_config(settings, bound, await agents.adopt(LOCAL_AGENT)))
    agent.start()
    stack.push_async_callback(asyncio.to_thread, agent.shutdown, 0.0)


def _cancel_at_exit(stack: AsyncExitStack, task: asyncio.Task[None]) -> None:
    async def cancel() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(cancel)


def _announce(engine: Gateway, bound: Bound, server: ServerInfo, setup_token: str | None) -> None:
    engine.ready(True)
    structlog.get_logger("penstock.app").info(
        "gateway ready",
        version=server.version,
        http=bound.http,
        grpc=bound.grpc,
        tunnel=bound.tunnel,
        public=bound.public,
        egress=list(bound.egress),
        admin=bound.admin,
        api_url=server.api_url,
    )
    if setup_token is not None:
        pin = f" --ca-pin {server.api_ca_pin}" if server.api_ca_pin else ""
        line = f"penstock setup --api-url {server.api_url} --token {setup_token}{pin}"
        # To standard output, not to the log: logs are collected, and this is a secret.
        sys.stdout.write(f"\nThere is no admin yet. Make the first one:\n\n    {line}\n\n")
        sys.stdout.flush()
