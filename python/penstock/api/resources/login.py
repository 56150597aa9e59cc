"""Logging in and out: ``/api/setup``, ``/api/login``, ``/api/logout``, ``/api/userinfo``."""

from datetime import datetime

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint, Peer
from penstock.api.shape import Body, Shape
from penstock.domain.user import Identity
from penstock.services.authentication import Authentication, Grant
from penstock.services.setup import Setup
from penstock.services.tokens import Tokens


class LoginBody(Body):
    """What a user knows."""

    email: str = Field(max_length=254)
    password: str = Field(max_length=1024, repr=False)


class SetupBody(LoginBody):
    """The first admin, and the one-time token that the gateway printed."""

    token: str = Field(max_length=512, repr=False)


class WhoShape(Shape):
    """A user as it sees itself."""

    id: str
    email: str
    groups: list[str]
    admin: bool

    @classmethod
    def of(cls, identity: Identity) -> "WhoShape":
        """Its shape."""
        user = identity.user
        return cls(id=user.id, email=user.email, groups=sorted(user.groups), admin=identity.admin)


class UserInfoShape(WhoShape):
    """And the token that it used."""

    token_id: str
    expires_at: datetime


class GrantShape(Shape):
    """A token, shown this once."""

    token: str = Field(repr=False)
    token_id: str
    expires_at: datetime
    user: WhoShape

    @classmethod
    def of(cls, grant: Grant) -> "GrantShape":
        """Its shape."""
        token = grant.identity.token
        return cls(
            token=grant.secret,
            token_id=token.id,
            expires_at=token.expires_at,
            user=WhoShape.of(grant.identity),
        )


class LoginResource:
    """Trades passwords for tokens."""

    def __init__(self, authentication: Authentication, setup: Setup, tokens: Tokens) -> None:
        self._authentication = authentication
        self._setup = setup
        self._tokens = tokens

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        public, user, grant = Permission.PUBLIC, Permission.USER, GrantShape
        return [
            Endpoint(method="POST", path="/api/setup", call=self.setup, permission=public, answers=grant),
            Endpoint(method="POST", path="/api/login", call=self.login, permission=public, answers=grant),
            Endpoint(method="POST", path="/api/logout", call=self.logout, permission=user, status=204),
            Endpoint(
                method="GET", path="/api/userinfo", call=self.userinfo, permission=user, answers=UserInfoShape
            ),
        ]

    async def setup(self, body: SetupBody) -> GrantShape:
        """Makes the first admin and logs it in; only while there is none."""
        return GrantShape.of(await self._setup.complete(body.token, body.email, body.password))

    async def login(self, body: LoginBody, peer: Peer) -> GrantShape:
        """A new token."""
        return GrantShape.of(await self._authentication.login(body.email, body.password, peer))

    async def logout(self, identity: CurrentIdentity) -> None:
        """Revokes the token that is used here; its links and live sessions end."""
        await self._tokens.revoke(identity, identity.token.id)

    async def userinfo(self, identity: CurrentIdentity) -> UserInfoShape:
        """Who this token proves."""
        token = identity.token
        who = WhoShape.of(identity).model_dump()
        return UserInfoShape(**who, token_id=token.id, expires_at=token.expires_at)
