"""A demo home with a way to start processes in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock.demo.ending import Ending
from penstock.demo.leftovers import Register
from penstock.demo.processes import Processes


@pytest.fixture
def register(tmp_path: Path) -> Register:
    """An empty register."""
    return Register(tmp_path / "processes.json")


@pytest.fixture
def processes(tmp_path: Path, register: Register) -> Iterator[Processes]:
    """Processes that end with the test."""
    made = Processes(tmp_path / "logs", register, Ending())
    yield made
    made.stop()
