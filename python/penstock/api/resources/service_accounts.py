"""``/api/service-accounts``."""

from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, Field

from penstock.api.permission import Permission
from penstock.api.resources.users import GroupNames
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Body, Shape
from penstock.domain.service_account import ServiceAccount
from penstock.services.service_accounts import ServiceAccounts


class NewServiceAccountBody(Body):
    """A service account to make. Without ``expires_at`` it has no end."""

    name: str = Field(max_length=63)
    groups: GroupNames = ()
    expires_at: AwareDatetime | None = None


class ServiceAccountChange(Body):
    """What becomes of a service account."""

    disabled: bool


class ServiceAccountShape(Shape):
    """A service account."""

    id: str
    name: str
    groups: list[str]
    status: Literal["enabled", "disabled", "expired"]
    created_at: datetime
    expires_at: datetime | None


class KeyedServiceAccount(ServiceAccountShape):
    """A service account with its key, which is shown this once."""

    key: str


_Shapes = list[ServiceAccountShape]


class ServiceAccountResource:
    """Service accounts are found by identifier or name."""

    def __init__(self, accounts: ServiceAccounts) -> None:
        self._accounts = accounts

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        admin, every, one = Permission.ADMIN, "/api/service-accounts", "/api/service-accounts/{account}"
        return [
            Endpoint(method="GET", path=every, call=self.list, permission=admin, answers=_Shapes),
            Endpoint(
                method="POST",
                path=every,
                call=self.create,
                permission=admin,
                answers=KeyedServiceAccount,
                status=201,
            ),
            Endpoint(method="GET", path=one, call=self.get, permission=admin, answers=ServiceAccountShape),
            Endpoint(
                method="PATCH", path=one, call=self.change, permission=admin, answers=ServiceAccountShape
            ),
            Endpoint(
                method="POST",
                path=f"{one}/key",
                call=self.rekey,
                permission=admin,
                answers=KeyedServiceAccount,
                status=201,
            ),
            Endpoint(method="DELETE", path=one, call=self.delete, permission=admin, status=204),
        ]

    async def list(self) -> list[ServiceAccountShape]:
        """All, by name."""
        return [self._shape(account) for account in await self._accounts.list()]

    async def create(self, body: NewServiceAccountBody, identity: CurrentIdentity) -> KeyedServiceAccount:
        """Groups that do not exist are made. The key is not shown again."""
        account, key = await self._accounts.create(identity, body.name, body.groups, body.expires_at)
        return KeyedServiceAccount(**dict(self._shape(account)), key=key)

    async def get(self, account: str) -> ServiceAccountShape:
        """One."""
        return self._shape(await self._accounts.get(account))

    async def change(
        self, account: str, body: ServiceAccountChange, identity: CurrentIdentity
    ) -> ServiceAccountShape:
        """Disables it, which ends what lives by its key, or enables it again."""
        return self._shape(await self._accounts.disable(identity, account, body.disabled))

    async def rekey(self, account: str, identity: CurrentIdentity) -> KeyedServiceAccount:
        """A new key. The old one stops working at once."""
        found, key = await self._accounts.rekey(identity, account)
        return KeyedServiceAccount(**dict(self._shape(found)), key=key)

    async def delete(self, account: str, identity: CurrentIdentity) -> None:
        """Its key and its live sessions end."""
        await self._accounts.delete(identity, account)

    def _shape(self, account: ServiceAccount) -> ServiceAccountShape:
        expired = self._accounts.expired(account)
        return ServiceAccountShape(
            id=account.id,
            name=account.name,
            groups=sorted(account.groups),
            status="disabled" if account.disabled else "expired" if expired else "enabled",
            created_at=account.created_at,
            expires_at=account.expires_at,
        )
