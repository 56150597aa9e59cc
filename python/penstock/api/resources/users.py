"""``/api/users``."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Body, Shape
from penstock.domain.user import User
from penstock.services.users import Users

GroupNames = Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=100)]


class NewUserBody(Body):
    """A user to make."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1024, repr=False)
    groups: GroupNames = ()


class UserShape(Shape):
    """A user."""

    id: str
    email: str
    groups: list[str]
    admin: bool
    created_at: datetime


class UserResource:
    """Users are found by identifier or e-mail."""

    def __init__(self, users: Users) -> None:
        self._users = users

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        admin, every, one = Permission.ADMIN, "/api/users", "/api/users/{user}"
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=admin, answers=list[UserShape]),
            Endpoint(
                method="POST", path=every, call=self.create, permission=admin, answers=UserShape, status=201
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=admin, answers=UserShape),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self) -> list[UserShape]:
        """All, by e-mail."""
        return [self._shape(user) for user in await self._users.list()]

    async def create(self, body: NewUserBody, identity: CurrentIdentity) -> UserShape:
        """Groups that do not exist are made."""
        return self._shape(await self._users.create(identity, body.email, body.password, body.groups))

    async def get(self, user: str) -> UserShape:
        """One."""
        return self._shape(await self._users.get(user))

    async def delete(self, user: str, identity: CurrentIdentity) -> None:
        """The user's tokens and live sessions end."""
        await self._users.delete(identity, user)

    def _shape(self, user: User) -> UserShape:
        return UserShape(
            id=user.id,
            email=user.email,
            groups=sorted(user.groups),
            admin=self._users.is_admin(user),
            created_at=user.created_at,
        )
