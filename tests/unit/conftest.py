"""Fixtures of the control plane's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.unit.world import World


@pytest.fixture
def anyio_backend() -> str:
    """The control plane runs on asyncio alone."""
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """A control plane with an empty store."""
    # Imported here: tests that need no store, the command line's for one, do not pay for it.
    from tests.unit.world import open_world

    async with open_world(tmp_path) as opened:
        yield opened
