"""Service accounts."""

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from penstock.domain.errors import malformed, not_found
from penstock.domain.names import check_name
from penstock.domain.ports import Clock, Secrets, ServiceAccountRepository, TokenRepository
from penstock.domain.service_account import KEY_LIFETIME, ServiceAccount
from penstock.domain.session import SessionFilter
from penstock.domain.user import Identity, Token
from penstock.services.endings import Endings
from penstock.services.tokens import Tokens


class ServiceAccounts:
    """Admins manage service accounts."""

    def __init__(
        self,
        accounts: ServiceAccountRepository,
        token_rows: TokenRepository,
        secrets: Secrets,
        clock: Clock,
        tokens: Tokens,
        endings: Endings,
    ) -> None:
        self._accounts = accounts
        self._token_rows = token_rows
        self._secrets = secrets
        self._clock = clock
        self._tokens = tokens
        self._endings = endings
        self._log = structlog.get_logger("penstock.services.service_accounts")

    async def list(self) -> Sequence[ServiceAccount]:
        """All, by name."""
        return await self._accounts.list()

    async def get(self, id_or_name: str) -> ServiceAccount:
        """Raises ``not-found``."""
        account = await self._accounts.get(id_or_name)
        if account is None:
            hint = "list them: penstock admin get service-accounts"
            raise not_found("service account", id_or_name, hint=hint)
        return account

    async def create(
        self, actor: Identity, name: str, groups: Sequence[str], expires_at: datetime | None
    ) -> tuple[ServiceAccount, str]:
        """The account and its key, which is not kept. Groups that do not exist are made.

        Raises ``conflict`` if the name is taken, ``malformed`` if it would end before it begins.
        """
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise malformed("the service account would have expired already", hint="name a later time")
        account = ServiceAccount(
            id=str(uuid.uuid4()),
            name=check_name("a service account", name),
            groups=frozenset(check_name("a group", group) for group in groups),
            created_at=now,
            expires_at=expires_at,
        )
        token, secret = self._key(account)
        await self._accounts.add(account, token, self._secrets.digest(secret))
        self._log.info(
            "service account created", actor=actor.user.email, account=name, groups=sorted(account.groups)
        )
        return account, secret

    async def rekey(self, actor: Identity, id_or_name: str) -> tuple[ServiceAccount, str]:
        """A new key; the old one stops working, and what lives by it ends."""
        account = await self.get(id_or_name)
        old = await self._token_rows.list_for(account.id)
        token, secret = self._key(account)
        await self._accounts.rekey(token, self._secrets.digest(secret))
        self._log.info("service account has a new key", actor=actor.user.email, account=account.name)
        await self._end(old)
        return account, secret

    async def disable(self, actor: Identity, id_or_name: str, disabled: bool) -> ServiceAccount:
        """While disabled its key proves nothing; what lives by it ends."""
        account = await self.get(id_or_name)
        await self._accounts.disable(account.id, disabled)
        self._log.info(
            "service account changed", actor=actor.user.email, account=account.name, disabled=disabled
        )
        if disabled:
            await self._end(await self._token_rows.list_for(account.id))
        return replace(account, disabled=disabled)

    async def delete(self, actor: Identity, id_or_name: str) -> None:
        """Ends its key and its live sessions too."""
        account = await self.get(id_or_name)
        keys = await self._token_rows.list_for(account.id)
        await self._accounts.delete(account.id)
        self._log.info("service account deleted", actor=actor.user.email, account=account.name)
        await self._end(keys)
        await self._endings.matching(SessionFilter(user_id=account.id), "its service account was deleted")

    def expired(self, account: ServiceAccount) -> bool:
        """Whether its time is over."""
        return account.expires_at is not None and account.expires_at <= self._clock.now()

    async def _end(self, keys: Sequence[Token]) -> None:
        await asyncio.gather(*(self._tokens.end(key.id) for key in keys))

    def _key(self, account: ServiceAccount) -> tuple[Token, str]:
        now = self._clock.now()
        token = Token(str(uuid.uuid4()), account.id, now, account.expires_at or now + KEY_LIFETIME)
        return token, self._secrets.service_key()
