"""``/api/groups``."""

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Body, Shape
from penstock.domain.user import Group
from penstock.services.groups import Groups


class NewGroupBody(Body):
    """A group to make."""

    name: str = Field(max_length=63)


class GroupShape(Shape):
    """A group, and how many users it has."""

    name: str
    users: int


class GroupResource:
    """Groups are found by name."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        admin, every, one = Permission.ADMIN, "/api/groups", "/api/groups/{group}"
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=admin, answers=list[GroupShape]),
            Endpoint(
                method="POST", path=every, call=self.create, permission=admin, answers=GroupShape, status=201
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=admin, answers=GroupShape),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self) -> list[GroupShape]:
        """All, by name."""
        return [_shape(group) for group in await self._groups.list()]

    async def create(self, body: NewGroupBody, identity: CurrentIdentity) -> GroupShape:
        """An empty group."""
        return _shape(await self._groups.create(identity, body.name))

    async def get(self, group: str) -> GroupShape:
        """One."""
        return _shape(await self._groups.get(group))

    async def delete(self, group: str, identity: CurrentIdentity) -> None:
        """Takes it from users and connections; live sessions that it allowed end."""
        await self._groups.delete(identity, group)


def _shape(group: Group) -> GroupShape:
    return GroupShape(name=group.name, users=group.users)
