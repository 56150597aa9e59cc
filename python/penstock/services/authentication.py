"""Logging in, and proving who one is afterwards."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from penstock.domain.errors import unauthenticated
from penstock.domain.ports import Clock, LoginThrottle, Passwords, Secrets, TokenRepository, UserRepository
from penstock.domain.user import Identity, Token, User


@dataclass(frozen=True, slots=True)
class Grant:
    """A new token, shown to its bearer this once, and whom it proves."""

    secret: str = field(repr=False)
    identity: Identity


class Authentication:
    """Trades passwords for tokens, and tokens for identities."""

    def __init__(
        self,
        users: UserRepository,
        tokens: TokenRepository,
        passwords: Passwords,
        throttle: LoginThrottle,
        secrets: Secrets,
        clock: Clock,
        *,
        admin_group: str,
        token_ttl: timedelta,
    ) -> None:
        self._users = users
        self._tokens = tokens
        self._passwords = passwords
        self._throttle = throttle
        self._secrets = secrets
        self._clock = clock
        self._admin_group = admin_group
        self._token_ttl = token_ttl
        self._log = structlog.get_logger("penstock.services.authentication")

    async def login(self, email: str, password: str, peer: str) -> Grant:
        """Raises ``unauthenticated`` without telling which of the two is wrong, ``limited`` after many."""
        email = email.lower()
        self._throttle.check(email, peer)
        found = await self._users.login(email)
        fits = await self._passwords.verify(None if found is None else found[1], password)
        if found is None or not fits:
            self._throttle.failed(email, peer)
            self._log.warning("login refused", email=email, peer=peer)
            raise unauthenticated("e-mail or password is wrong", hint="check both and try again")
        self._throttle.succeeded(email, peer)
        self._log.info("login", user=email, peer=peer)
        return await self.grant(found[0])

    async def grant(self, user: User) -> Grant:
        """A new token for a user who is proven already."""
        now = self._clock.now()
        token = Token(str(uuid.uuid4()), user.id, now, now + self._token_ttl)
        secret = self._secrets.token()
        await self._tokens.add(token, self._secrets.digest(secret))
        return Grant(secret, self._identity(token, user))

    async def identify(self, secret: str) -> Identity:
        """Whom this token proves. Raises ``unauthenticated``."""
        found = await self._tokens.by_digest(self._secrets.digest(secret))
        return self._current(found)

    async def recheck(self, token_id: str) -> Identity:
        """Whom a token proves that was shown earlier. Raises ``unauthenticated``."""
        return self._current(await self._tokens.by_id(token_id))

    def _current(self, found: tuple[Token, User] | None) -> Identity:
        if found is None:
            raise unauthenticated("the token is unknown or was revoked", hint="log in again: penstock login")
        token, user = found
        if token.expires_at <= self._clock.now():
            raise unauthenticated("the token has expired", hint="log in again: penstock login")
        return self._identity(token, user)

    def _identity(self, token: Token, user: User) -> Identity:
        return Identity(user, token, admin=self._admin_group in user.groups)
