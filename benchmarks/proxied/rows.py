"""The questions: the same of sessions and of an echo, each over all ways."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.access.clients import BULK, queries, wide
from benchmarks.access.way import Access
from benchmarks.measure.cost import BULK as MIB
from benchmarks.measure.cost import RATE, bulk
from benchmarks.measure.rounds import Row
from benchmarks.proxied.echo import Chain

CLIENTS = (1, 8, 32)

# What pgbench's query and its answer are, each, as messages of PostgreSQL's: some dozens of bytes.
_SMALL = 96
# A chunk of a large result, and how many of them are a quarter of a GiB.
_LARGE = 32 * 1024
_TIMES = 8_192


def small(clients: int) -> str:
    """The name of a row of queries or round trips."""
    return f"{clients} client{'s' if clients > 1 else ''}"


LARGE = "one large result"


def sessions(seconds: int) -> list[Row[Access]]:
    """pgbench's select-only, prepared, and a result of 1 GiB."""
    return [
        *(Row(small(clients), partial(_queries, clients, seconds)) for clients in CLIENTS),
        Row(LARGE, lambda way: bulk(way, BULK, lambda: wide(way))),
    ]


def echoes(seconds: int) -> list[Row[Chain]]:
    """As many bytes to and fro, and one message that comes back many times."""
    return [
        *(Row(small(clients), partial(_trips, clients, seconds)) for clients in CLIENTS),
        Row(LARGE, partial(_back, seconds)),
    ]


def _queries(clients: int, seconds: int, way: Access) -> Mapping[str, float]:
    return {RATE: queries(way, clients, "prepared", seconds, sampled=False).rate}


def _trips(clients: int, seconds: int, way: Chain) -> Mapping[str, float]:
    return {RATE: way.ends.load(way.port, seconds, clients, _SMALL)["rate"]}


def _back(seconds: int, way: Chain) -> Mapping[str, float]:
    rate = way.ends.load(way.port, seconds, 1, _LARGE, _TIMES)["rate"]
    return {MIB: rate * _LARGE * _TIMES / 1024**2}
