"""The first admin of an empty store."""

import uuid

import structlog

from penstock.domain.errors import conflict, unauthenticated
from penstock.domain.names import check_email, check_password
from penstock.domain.ports import Clock, GroupRepository, Passwords, Secrets, UserRepository
from penstock.domain.user import User
from penstock.services.authentication import Authentication, Grant


class Setup:
    """While the admin group has no member, whoever knows the one-time token may become the first."""

    def __init__(
        self,
        users: UserRepository,
        groups: GroupRepository,
        passwords: Passwords,
        secrets: Secrets,
        clock: Clock,
        authentication: Authentication,
        *,
        admin_group: str,
    ) -> None:
        self._users = users
        self._groups = groups
        self._passwords = passwords
        self._secrets = secrets
        self._clock = clock
        self._authentication = authentication
        self._admin_group = admin_group
        self._digest: str | None = None
        self._log = structlog.get_logger("penstock.services.setup")

    async def required(self) -> bool:
        """Whether there is no admin yet."""
        return not await self._users.any_in(self._admin_group)

    async def prepare(self, email: str | None, password: str | None) -> str | None:
        """At start: makes the admin group, and the first admin if one is given and none exists.

        Returns a one-time token if there is no admin then; it holds until the gateway stops.
        """
        await self._groups.add(self._admin_group)
        if not await self.required():
            return None
        if email is not None and password is not None:
            await self._add(email, password)
            return None
        token = self._secrets.token()
        self._digest = self._secrets.digest(token)
        return token

    async def complete(self, token: str, email: str, password: str) -> Grant:
        """Makes the first admin.

        Raises ``conflict`` if there is one, ``unauthenticated`` if the token is wrong.
        """
        if not await self.required():
            raise conflict("there is an admin already", hint="log in: penstock login")
        if self._digest is None or not self._secrets.matches(token, self._digest):
            raise unauthenticated("the set-up token is wrong", hint="use the one that the last start printed")
        user = await self._add(email, password)
        if user is None:
            raise conflict("there is an admin already", hint="log in: penstock login")
        self._digest = None
        return await self._authentication.grant(user)

    async def _add(self, email: str, password: str) -> User | None:
        user = User(
            id=str(uuid.uuid4()),
            email=check_email(email),
            groups=frozenset({self._admin_group}),
            created_at=self._clock.now(),
        )
        password_hash = await self._passwords.hash(check_password(password))
        if not await self._users.add_first(user, password_hash, self._admin_group):
            return None
        self._log.info("first admin created", user=user.email)
        return user
