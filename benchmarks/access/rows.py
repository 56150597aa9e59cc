"""The questions, each over all ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from benchmarks.access.clients import BULK, connects, queries, wide
from benchmarks.access.way import Access
from benchmarks.measure.cost import P50, P99, RATE, bulk
from benchmarks.measure.rounds import Row

CLIENTS = (1, 8, 32)
MODES = ("simple", "prepared")

CPU = "CPU s per million"

_MILLION = 1_000_000


@dataclass(frozen=True)
class Questions:
    """Built from the seconds that each load takes."""

    seconds: int

    def rows(self) -> list[Row[Access]]:
        """All of them."""
        return [
            *(
                Row(_name(mode, clients), partial(self._select, mode, clients))
                for mode in MODES
                for clients in CLIENTS
            ),
            Row("1 GiB result", _wide),
            Row("connect and SELECT 1", _connect),
        ]

    def _select(self, mode: str, clients: int, way: Access) -> dict[str, float]:
        before = way.cpu_seconds()
        found = queries(way, clients, mode, self.seconds, sampled=clients == 1)
        cost = _per_million(way, before, found.count)
        if clients > 1:
            return {RATE: found.rate, **cost}
        p50, p99 = found.percentiles()
        return {RATE: found.rate, P50: p50, P99: p99, **cost}


def _name(mode: str, clients: int) -> str:
    return f"select-only {mode}, {clients} client{'s' if clients > 1 else ''}"


def _wide(way: Access) -> dict[str, float]:
    return bulk(way, BULK, lambda: wide(way))


def _connect(way: Access) -> dict[str, float]:
    return {RATE: connects(way).rate}


def _per_million(way: Access, before: float, count: int) -> dict[str, float]:
    """What `count` queries cost since `before`; nothing, if nothing is in between."""
    return {CPU: (way.cpu_seconds() - before) * _MILLION / count} if way.processes else {}
