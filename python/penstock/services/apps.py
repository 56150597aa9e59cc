"""Published apps."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from penstock.domain.app import App, AppPresence, parse_route, parse_selector
from penstock.domain.errors import malformed, not_found
from penstock.domain.names import check_certificate_name, check_name
from penstock.domain.ports import AppRepository, Clock, Engine
from penstock.domain.user import Identity
from penstock.policy.decision import Allow, Context, Subject, Verb
from penstock.policy.engine import PolicyEngine


@dataclass(frozen=True, slots=True)
class AppState:
    """An app, and its workers if any are there."""

    app: App
    presence: AppPresence | None


@dataclass(frozen=True, slots=True)
class NewApp:
    """What an admin asks for. No workers: those whose certificate has the app's name."""

    name: str
    routes: Sequence[str]
    workers: Sequence[str]
    identify: bool
    access: Sequence[str]
    selector: str
    timeout_seconds: int


class Apps:
    """Admins manage apps; everybody sees those that the policy lets them see."""

    def __init__(self, apps: AppRepository, policy: PolicyEngine, clock: Clock, engine: Engine) -> None:
        self._apps = apps
        self._policy = policy
        self._clock = clock
        self._engine = engine
        self._publishing = asyncio.Lock()
        self._log = structlog.get_logger("penstock.services.apps")

    async def list(self, identity: Identity, peer: str) -> Sequence[AppState]:
        """Those that this user may see, by name."""
        online = self._engine.apps()
        found = [app for app in await self._apps.list() if self._may_see(identity, app, peer)]
        return [AppState(app, online.get(app.name)) for app in found]

    async def get(self, identity: Identity, id_or_name: str, peer: str) -> AppState:
        """Raises ``not-found``, also for one that this user may not see."""
        app = await self._apps.get(id_or_name)
        if app is None or not self._may_see(identity, app, peer):
            raise not_found("app", id_or_name, hint="list those you may enter: penstock admin get apps")
        return self._state(app)

    async def create(self, actor: Identity, new: NewApp) -> AppState:
        """Takes effect at once. Raises ``conflict`` for what is another's, and ``malformed``."""
        app = self._read(new)
        await self._apps.add(app)
        self._log.info("app created", actor=actor.user.email, app=app.name, routes=list(map(str, app.routes)))
        await self.publish()
        return self._state(app)

    async def delete(self, actor: Identity, id_or_name: str) -> None:
        """Its routes lead nowhere from here on, and its workers' links drop."""
        app = await self._apps.get(id_or_name)
        if app is None:
            raise not_found("app", id_or_name, hint="list them: penstock admin get apps")
        await self._apps.delete(app.id)
        self._log.info("app deleted", actor=actor.user.email, app=app.name)
        await self.publish()

    async def publish(self) -> None:
        """Tells the engine which apps there are."""
        async with self._publishing:  # what was read first must not be told last
            self._engine.publish(await self._apps.list())

    def _read(self, new: NewApp) -> App:
        if not new.routes:
            raise malformed("an app needs a route", hint="add --route shop.example.com")
        if new.access and not new.identify:
            raise malformed(
                "who may enter is known only of callers that are identified", hint="add --identify"
            )
        name = check_name("an app", new.name)
        return App(
            id=str(uuid.uuid4()),
            name=name,
            routes=tuple(dict.fromkeys(map(parse_route, new.routes))),
            workers=tuple(dict.fromkeys(map(check_certificate_name, new.workers or [name]))),
            created_at=self._clock.now(),
            identify=new.identify,
            access=frozenset(check_name("a group", group) for group in new.access),
            selector=parse_selector(new.selector),
            timeout_seconds=new.timeout_seconds,
        )

    def _may_see(self, identity: Identity, app: App, peer: str) -> bool:
        subject = Subject(identity.user.email, identity.user.groups)
        return isinstance(self._policy.decide(subject, app, Verb.SEE, Context(peer)), Allow)

    def _state(self, app: App) -> AppState:
        return AppState(app, self._engine.apps().get(app.name))
