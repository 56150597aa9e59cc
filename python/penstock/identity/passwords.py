"""Password hashing with argon2id (RFC 9106), off the event loop."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from penstock.domain.errors import Code, PenstockError, Side

MAX_WAITING = 32


class Argon2Passwords:
    """Hashes and verifies passwords. Each takes 64 MiB, so few run at once and few may wait."""

    def __init__(self, *, hasher: PasswordHasher | None = None, at_once: int = 2) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turn = asyncio.Semaphore(at_once)
        self._waiting = 0
        # Verified against when there is no such user, so that the time taken does not tell.
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The hash to keep. Raises ``limited`` when too many wait already."""
        return await self._run(password, None)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password fits; False, after the same time, if there is no hash."""
        return bool(await self._run(password, password_hash or self._nobody)) and password_hash is not None

    async def _run(self, password: str, password_hash: str | None) -> str:
        if self._waiting >= MAX_WAITING:
            raise PenstockError(
                Code.LIMITED, Side.GATEWAY, "too many logins at once", hint="try again in a few seconds"
            )
        self._waiting += 1
        try:
            async with self._turn:
                if password_hash is None:
                    return await asyncio.to_thread(self._hasher.hash, password)
                return "fits" if await asyncio.to_thread(self._fits, password_hash, password) else ""
        finally:
            self._waiting -= 1

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False
