"""``/api/tokens``: one's own tokens."""

from datetime import datetime

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Shape
from penstock.services.tokens import Tokens


class TokenShape(Shape):
    """A token, without the token. ``current``: it is the one used here."""

    id: str
    created_at: datetime
    expires_at: datetime
    current: bool


class TokenResource:
    """Listing and revoking."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        user, one = Permission.USER, "/api/tokens/{token_id}"
        return [
            Endpoint(
                method="GET", path="/api/tokens", call=self.list, permission=user, answers=list[TokenShape]
            ),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=user, status=204),
        ]

    async def list(self, identity: CurrentIdentity) -> list[TokenShape]:
        """One's own, newest first."""
        return [
            TokenShape(
                id=token.id,
                created_at=token.created_at,
                expires_at=token.expires_at,
                current=token.id == identity.token.id,
            )
            for token in await self._tokens.list(identity)
        ]

    async def delete(self, token_id: str, identity: CurrentIdentity) -> None:
        """Revokes at once: one's own, or anybody's for admins."""
        await self._tokens.revoke(identity, token_id)
