"""``/api/connections``."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.resources.users import GroupNames
from penstock.api.route import CurrentIdentity, Endpoint, Peer
from penstock.api.shape import Body, Shape
from penstock.domain.connection import ConnectionType
from penstock.services.connections import Connections, ConnectionState, NewConnection

EnvKey = Annotated[str, Field(max_length=64)]


class NewConnectionBody(Body):
    """A connection to make. No groups: the admin group only. No agent: the gateway dials."""

    name: str = Field(max_length=63)
    type: ConnectionType
    agent: str | None = Field(None, max_length=63)
    env: dict[EnvKey, str] = Field(max_length=32, repr=False)
    groups: GroupNames = ()


class ConnectionShape(Shape):
    """A connection; the secrets in ``env`` are ``***``."""

    id: str
    name: str
    type: ConnectionType
    agent: str | None
    env: dict[str, str]
    groups: list[str]
    created_at: datetime
    online: bool

    @classmethod
    def of(cls, state: ConnectionState) -> "ConnectionShape":
        """Its shape."""
        connection = state.connection
        return cls(
            id=connection.id,
            name=connection.name,
            type=connection.type,
            agent=connection.agent,
            env=connection.public_env(),
            groups=sorted(connection.groups),
            created_at=connection.created_at,
            online=state.online,
        )


class ConnectionResource:
    """Connections are found by identifier or name; users see those that they may use."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        user, admin = Permission.USER, Permission.ADMIN
        every, one = "/api/connections", "/api/connections/{connection}"
        shape, shapes = ConnectionShape, list[ConnectionShape]
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=user, answers=shapes),
            Endpoint(
                method="POST", path=every, call=self.create, permission=admin, answers=shape, status=201
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=user, answers=shape),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self, identity: CurrentIdentity, peer: Peer) -> list[ConnectionShape]:
        """Those that one may use, by name."""
        return [ConnectionShape.of(state) for state in await self._connections.list(identity, peer)]

    async def create(self, body: NewConnectionBody, identity: CurrentIdentity) -> ConnectionShape:
        """The new connection."""
        new = NewConnection(body.name, body.type, body.agent, body.env, body.groups)
        return ConnectionShape.of(await self._connections.create(identity, new))

    async def get(self, connection: str, identity: CurrentIdentity, peer: Peer) -> ConnectionShape:
        """One that one may use."""
        return ConnectionShape.of(await self._connections.get(identity, connection, peer))

    async def delete(self, connection: str, identity: CurrentIdentity) -> None:
        """Its live sessions end."""
        await self._connections.delete(identity, connection)
