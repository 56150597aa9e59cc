"""A load's figures, and what the processes in between spent on it."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.measure.way import Way
from benchmarks.measure.wrk import Load

RATE = "/s"
P50 = "p50 µs"
P99 = "p99 µs"
CPU = "CPU s per 100k"
BULK = "MiB/s"
CPU_BULK = "CPU s per GiB"


def requests(way: Way, load: Callable[[], Load]) -> dict[str, float]:
    """The figures of requests one after another on each connection."""
    before = way.cpu_seconds()
    found = load()
    cost = per_100k(way, before, found.requests)
    return {RATE: found.rate, P50: found.p50, P99: found.p99, **cost}


def bulk(way: Way, size: int, download: Callable[[], float]) -> dict[str, float]:
    """The figures of one large transfer of `size` bytes in all; `download` returns MiB per second."""
    before = way.cpu_seconds()
    rate = download()
    cost = (way.cpu_seconds() - before) * 1024**3 / size
    return {BULK: rate, CPU_BULK: cost} if way.processes else {BULK: rate}


def per_100k(way: Way, before: float, count: int) -> dict[str, float]:
    """What `count` requests cost since `before`; nothing, if nothing is in between."""
    return {CPU: (way.cpu_seconds() - before) * 100_000 / count} if way.processes else {}
