"""Revoked certificates in the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from penstock.domain.certificate import RevokedCertificate

from tests.unit.world import NOON, World

pytestmark = pytest.mark.anyio
REVOKED = RevokedCertificate("0f" * 32, "office", "lost", NOON, "admin@example.com")


async def test_a_revocation_from_birth_to_end(world: World) -> None:
    later = RevokedCertificate("1e" * 32, None, "", NOON + timedelta(minutes=1), "admin@example.com")
    assert await world.revocations.add(REVOKED)
    assert not await world.revocations.add(replace(REVOKED, reason="other"))
    assert await world.revocations.add(later)
    assert await world.revocations.list() == [later, REVOKED]
    assert await world.revocations.get(REVOKED.fingerprint) == REVOKED
    assert await world.revocations.delete(REVOKED.fingerprint)
    assert not await world.revocations.delete(REVOKED.fingerprint)
    assert await world.revocations.get(REVOKED.fingerprint) is None
