"""Who may call a route. Every route declares it; none can be made without."""

from enum import StrEnum

from penstock.domain.errors import PenstockError, forbidden, unauthenticated
from penstock.domain.user import Identity


class Permission(StrEnum):
    """From everybody to few."""

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"

    def check(self, proven: Identity | PenstockError | None) -> None:
        """``proven`` is an identity, why there is none, or nothing if no credential was shown.

        Raises ``unauthenticated`` or ``forbidden``.
        """
        if self is Permission.PUBLIC:
            return
        if proven is None:
            raise unauthenticated(
                "this needs a login", hint="send Authorization: Bearer TOKEN; penstock login"
            )
        if isinstance(proven, PenstockError):
            raise proven
        if self is Permission.ADMIN and not proven.admin:
            raise forbidden("this is for admins", hint="ask an admin to do it")
