"""Tokens: listing and revoking."""

from collections.abc import Sequence

import structlog

from penstock.domain.errors import not_found
from penstock.domain.ports import Engine, TokenRepository
from penstock.domain.session import SessionFilter
from penstock.domain.user import Identity, Token
from penstock.services.endings import Endings


class Tokens:
    """Users see and revoke their own tokens; admins may revoke any."""

    def __init__(self, tokens: TokenRepository, engine: Engine, endings: Endings) -> None:
        self._tokens = tokens
        self._engine = engine
        self._endings = endings
        self._log = structlog.get_logger("penstock.services.tokens")

    async def list(self, identity: Identity) -> Sequence[Token]:
        """One's own, newest first."""
        return await self._tokens.list_for(identity.user.id)

    async def revoke(self, identity: Identity, token_id: str) -> None:
        """Takes effect at once: links and live sessions of the token end. Raises ``not-found``."""
        found = await self._tokens.by_id(token_id)
        if found is None or (found[1].id != identity.user.id and not identity.admin):
            raise not_found("token", token_id, hint="list yours: GET /api/tokens")
        await self._tokens.delete(token_id)
        self._log.info("token revoked", actor=identity.user.email, user=found[1].email, token=token_id)
        await self.end(token_id)

    async def end(self, token_id: str) -> None:
        """Ends what lives by a token that is gone from the store."""
        self._engine.end_token(token_id)
        await self._endings.matching(SessionFilter(token_id=token_id), "its token was revoked")
