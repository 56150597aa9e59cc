"""What an idle session holds in the processes between client and database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg

from benchmarks.access.way import Access
from benchmarks.measure.figure import Figure, MeasureError
from benchmarks.measure.usage import memory_kib

SESSIONS = 2_000

UNIT = "KiB each"

_WARM_UP = 16
_ALL = "all of them"


def idle(way: Access) -> Iterator[Figure]:
    """KiB per session and process: the growth with SESSIONS sessions that each ran one query.

    Raises MeasureError.
    """
    row = f"{SESSIONS:,} idle sessions"
    with ExitStack() as exits:
        _open(way, exits, _WARM_UP)
    before = _kib(way)
    with ExitStack() as exits:
        _open(way, exits, SESSIONS)
        grown = {name: (kib - before[name]) / SESSIONS for name, kib in _kib(way).items()}
    for name, kib in {**grown, _ALL: sum(grown.values())}.items():
        yield Figure(f"{row}, {name}", UNIT, way.name, 0, kib)


def _open(way: Access, exits: ExitStack, count: int) -> None:
    try:
        for _ in range(count):
            exits.enter_context(way.connection()).execute("SELECT 1")
    except psycopg.Error as error:
        raise MeasureError(f"a session failed: {error}") from None


def _kib(way: Access) -> dict[str, float]:
    return {process.name: memory_kib([process]) for process in way.processes}
