"""Every measurement over every way in turn, several times over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from benchmarks.access.figures import BULK_MIB, bulk, connects, queries
from benchmarks.access.way import Way

CLIENTS = (1, 8, 32)
MODES = ("simple", "prepared")

BULK = f"{BULK_MIB} MiB result, MiB/s"
CONNECTS = "connect and SELECT 1, /s"


@dataclass(frozen=True)
class Figure:
    """One repetition."""

    row: str
    way: str
    round: int
    value: float


Tell: TypeAlias = Callable[[str], None]


def select(clients: int, mode: str) -> str:
    """The name of a row of pgbench's."""
    return f"select-only {mode}, {clients} client{'s' if clients > 1 else ''}, tps"


def latency(mode: str, rank: str) -> str:
    """The name of a row of latencies."""
    return f"{rank} {mode}, 1 client, µs"


def rounds(ways: Sequence[Way], count: int, seconds: int, tell: Tell) -> Iterator[Figure]:
    """All figures. A row is measured over all ways before the next row, so that a ratio compares neighbours
    in time; every second round goes backwards, so that a drift of the machine favours nobody."""
    for number in range(count):
        order = list(ways) if number % 2 == 0 else list(reversed(ways))
        tell(f"round {number + 1} of {count}")
        for mode in MODES:
            for clients in CLIENTS:
                for way in order:
                    yield from _queries(way, clients, mode, seconds, number)
        for way in order:
            yield Figure(BULK, way.name, number, bulk(way))
        for way in order:
            yield Figure(CONNECTS, way.name, number, connects(way))


def _queries(way: Way, clients: int, mode: str, seconds: int, number: int) -> Iterator[Figure]:
    found = queries(way, clients, mode, seconds)
    yield Figure(select(clients, mode), way.name, number, found.tps)
    if clients == 1:
        for rank in ("p50", "p99"):
            yield Figure(latency(mode, rank), way.name, number, float(asdict(found)[rank]))
