"""Passwords."""

import asyncio
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher
from penstock.domain.errors import Code, PenstockError
from penstock.identity.passwords import MAX_WAITING, Argon2Passwords

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
pytestmark = pytest.mark.anyio


async def test_the_right_password_fits_and_nothing_else() -> None:
    passwords = Argon2Passwords(hasher=QUICK)
    kept = await passwords.hash("right")
    assert "right" not in kept
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, "right")
    assert not await passwords.verify(kept, "wrong")
    assert not await passwords.verify("no hash at all", "right")


class Counting(PasswordHasher):
    """Counts what it verifies, and can be held."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified = 0
        self.may_go = threading.Event()
        self.may_go.set()

    def verify(self, hash: Any, password: Any) -> Any:  # noqa: A002 - the library's name
        """Counts."""
        self.may_go.wait(10)
        self.verified += 1
        return super().verify(hash, password)


async def test_an_unknown_user_costs_as_much_as_a_known_one() -> None:
    hasher = Counting()
    passwords = Argon2Passwords(hasher=hasher)
    assert not await passwords.verify(None, "nobody has this password")
    assert hasher.verified == 1


async def test_who_comes_when_too_many_wait_is_sent_away() -> None:
    hasher = Counting()
    passwords = Argon2Passwords(hasher=hasher, at_once=1)
    hasher.may_go.clear()
    waiting = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(PenstockError) as refused:
        await passwords.verify(None, "x")
    assert refused.value.code is Code.LIMITED
    hasher.may_go.set()
    await asyncio.gather(*waiting)
    assert not await passwords.verify(None, "x")
