"""``/api/apps``: what the public port serves."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.resources.users import GroupNames
from penstock.api.route import CurrentIdentity, Endpoint, Peer
from penstock.api.shape import Body, Shape
from penstock.domain.app import TIMEOUT_SECONDS, SelectorKind
from penstock.services.apps import Apps, AppState, NewApp

RouteText = Annotated[str, Field(max_length=512)]
WorkerName = Annotated[str, Field(max_length=253)]


class NewAppBody(Body):
    """An app to make.

    No workers: those whose certificate has the app's name. ``access`` is for apps that identify their
    callers; without it every user may enter. ``timeout_seconds``: until a worker's answer begins.
    """

    name: str = Field(max_length=63)
    routes: list[RouteText] = Field(min_length=1, max_length=100)
    workers: list[WorkerName] = Field([], max_length=1000)
    identify: bool = False
    access: GroupNames = ()
    selector: str = Field(str(SelectorKind.LEAST_IN_FLIGHT), max_length=128)
    timeout_seconds: int = Field(TIMEOUT_SECONDS, ge=1, le=3600)


class AppShape(Shape):
    """An app, and how many of its workers are there."""

    id: str
    name: str
    routes: list[str]
    workers: list[str]
    identify: bool
    access: list[str]
    selector: str
    timeout_seconds: int
    created_at: datetime
    status: Literal["online", "offline"]
    links: int

    @classmethod
    def of(cls, state: AppState) -> "AppShape":
        """Its shape."""
        app = state.app
        return cls(
            id=app.id,
            name=app.name,
            routes=[str(route) for route in app.routes],
            workers=list(app.workers),
            identify=app.identify,
            access=sorted(app.access),
            selector=str(app.selector),
            timeout_seconds=app.timeout_seconds,
            created_at=app.created_at,
            status="offline" if state.presence is None else "online",
            links=0 if state.presence is None else state.presence.links,
        )


class AppResource:
    """Apps are found by identifier or name; users see those that they may enter."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        user, admin, every, one = Permission.USER, Permission.ADMIN, "/api/apps", "/api/apps/{app}"
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=user, answers=list[AppShape]),
            Endpoint(
                method="POST", path=every, call=self.create, permission=admin, answers=AppShape, status=201
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=user, answers=AppShape),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self, identity: CurrentIdentity, peer: Peer) -> list[AppShape]:
        """Those that one may enter, by name."""
        return [AppShape.of(state) for state in await self._apps.list(identity, peer)]

    async def create(self, body: NewAppBody, identity: CurrentIdentity) -> AppShape:
        """The new app; it takes effect at once."""
        return AppShape.of(await self._apps.create(identity, NewApp(**dict(body))))

    async def get(self, app: str, identity: CurrentIdentity, peer: Peer) -> AppShape:
        """One that one may enter."""
        return AppShape.of(await self._apps.get(identity, app, peer))

    async def delete(self, app: str, identity: CurrentIdentity) -> None:
        """Its routes lead nowhere from here on, and its workers' links drop."""
        await self._apps.delete(identity, app)
