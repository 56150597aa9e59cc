"""Groups."""

from collections.abc import Sequence

import structlog

from penstock.domain.errors import conflict, not_found
from penstock.domain.names import check_name
from penstock.domain.ports import GroupRepository
from penstock.domain.user import Group, Identity
from penstock.services.endings import Endings


class Groups:
    """Admins manage groups."""

    def __init__(self, groups: GroupRepository, endings: Endings, *, admin_group: str) -> None:
        self._groups = groups
        self._endings = endings
        self._admin_group = admin_group
        self._log = structlog.get_logger("penstock.services.groups")

    async def list(self) -> Sequence[Group]:
        """All, by name."""
        return await self._groups.list()

    async def get(self, name: str) -> Group:
        """Raises ``not-found``."""
        group = await self._groups.get(name)
        if group is None:
            raise not_found("group", name, hint="list them: penstock admin get groups")
        return group

    async def create(self, actor: Identity, name: str) -> Group:
        """Raises ``conflict`` if it exists."""
        if not await self._groups.add(check_name("a group", name)):
            raise conflict(f"there is a group {name!r} already")
        self._log.info("group created", actor=actor.user.email, group=name)
        return Group(name, users=0)

    async def delete(self, actor: Identity, name: str) -> None:
        """Takes it from users and connections, and ends the live sessions that it allowed."""
        if name == self._admin_group:
            raise conflict(f"{name!r} is the admin group", hint="ADMIN_USERNAME names another")
        if not await self._groups.delete(name):
            raise not_found("group", name, hint="list them: penstock admin get groups")
        self._log.info("group deleted", actor=actor.user.email, group=name)
        await self._endings.undo_denied()
