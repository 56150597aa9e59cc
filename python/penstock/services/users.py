"""Users."""

import asyncio
import uuid
from collections.abc import Sequence

import structlog

from penstock.domain.errors import conflict, not_found
from penstock.domain.names import check_email, check_name, check_password
from penstock.domain.ports import Clock, Passwords, TokenRepository, UserRepository
from penstock.domain.session import SessionFilter
from penstock.domain.user import Identity, User
from penstock.services.endings import Endings
from penstock.services.tokens import Tokens


class Users:
    """Admins manage users."""

    def __init__(
        self,
        users: UserRepository,
        token_rows: TokenRepository,
        passwords: Passwords,
        clock: Clock,
        tokens: Tokens,
        endings: Endings,
        *,
        admin_group: str,
    ) -> None:
        self._users = users
        self._token_rows = token_rows
        self._passwords = passwords
        self._clock = clock
        self._tokens = tokens
        self._endings = endings
        self._admin_group = admin_group
        self._log = structlog.get_logger("penstock.services.users")

    def is_admin(self, user: User) -> bool:
        """Whether the user is in the admin group."""
        return self._admin_group in user.groups

    async def list(self) -> Sequence[User]:
        """All, by e-mail."""
        return await self._users.list()

    async def get(self, id_or_email: str) -> User:
        """Raises ``not-found``."""
        user = await self._users.get(id_or_email)
        if user is None:
            raise not_found("user", id_or_email, hint="list them: penstock admin get users")
        return user

    async def create(self, actor: Identity, email: str, password: str, groups: Sequence[str]) -> User:
        """Groups that do not exist are made. Raises ``conflict`` if the e-mail is taken."""
        user = User(
            id=str(uuid.uuid4()),
            email=check_email(email),
            groups=frozenset(check_name("a group", name) for name in groups),
            created_at=self._clock.now(),
        )
        await self._users.add(user, await self._passwords.hash(check_password(password)))
        self._log.info("user created", actor=actor.user.email, user=user.email, groups=sorted(user.groups))
        return user

    async def delete(self, actor: Identity, id_or_email: str) -> None:
        """Ends the user's tokens and live sessions too. Raises ``conflict`` for the last admin."""
        user = await self.get(id_or_email)
        tokens = await self._token_rows.list_for(user.id)
        if not await self._users.delete(user.id, keep_one_in=self._admin_group):
            raise conflict(f"{user.email} is the last admin", hint="make another admin first")
        self._log.info("user deleted", actor=actor.user.email, user=user.email)
        await asyncio.gather(*(self._tokens.end(token.id) for token in tokens))
        await self._endings.matching(SessionFilter(user_id=user.id), "its user was deleted")
