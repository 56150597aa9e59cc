"""The clients that ask: pgbench, psql and psycopg. Each is bounded in time; a failure is a MeasureError."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

import psycopg
from penstock.demo.postgres import binaries

from benchmarks.access.way import Access
from benchmarks.measure.figure import MeasureError

BULK = 1024**3
"""Bytes of the wide result."""

# BULK, in rows of 8 KiB with their newlines.
_WIDE = "COPY (SELECT repeat('x', 8191) FROM generate_series(1, 131072)) TO STDOUT"
_CONNECTS = 100
_SPARE_SECONDS = 60
# Of the transactions at one client; a log of all would slow the client that is measured.
_SAMPLED = 0.2
_FEWEST = 100


@dataclass(frozen=True)
class Queries:
    """What pgbench found."""

    count: int
    rate: float
    """Transactions in a second, without the time to connect."""
    latencies: tuple[float, ...]
    """Microseconds of those that were sampled; empty unless they were asked for."""

    def percentiles(self) -> tuple[float, float]:
        """The median and the 99th. Raises MeasureError if too few were sampled."""
        if len(self.latencies) < _FEWEST:
            raise MeasureError(f"only {len(self.latencies)} latencies were sampled")
        cuts = quantiles(self.latencies, n=100)
        return cuts[49], cuts[98]


def queries(way: Access, clients: int, mode: str, seconds: int, *, sampled: bool) -> Queries:
    """`pgbench -S` for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-log-") as folder:
        command = [str(binaries() / "pgbench"), *way.arguments(), "-n", "-S", "-M", mode]
        command += ["-c", str(clients), "-j", "1", "-T", str(seconds)]
        if sampled:
            command += ["-l", "--sampling-rate", str(_SAMPLED), "--log-prefix", f"{folder}/log"]
        out = _run(way, [*command, way.database], seconds)
        rate = re.search(r"^tps = ([0-9.]+)", out, re.MULTILINE)
        count = re.search(r"transactions actually processed: (\d+)", out)
        failed = re.search(r"failed transactions: (\d+)", out)
        if not (rate and count and failed) or int(failed[1]):
            raise MeasureError(f"pgbench did not finish well: {out}")
        return Queries(int(count[1]), float(rate[1]), _latencies(Path(folder)))


def wide(way: Access) -> float:
    """MiB per second of one result of BULK bytes, connecting included."""
    command = [str(binaries() / "psql"), *way.arguments(), "-X", "-q", "-d", way.database, "-c", _WIDE]
    count = ["sh", "-c", '"$@" | wc -c', "sh", *command]
    start = time.perf_counter()
    found = int(_run(way, count, _SPARE_SECONDS))
    seconds = time.perf_counter() - start
    if found != BULK:
        raise MeasureError(f"the result has {found} bytes in place of {BULK}")
    return BULK / 1024**2 / seconds


def connects(way: Access) -> Queries:
    """Sessions one after another: connect, SELECT 1, close."""
    start = time.perf_counter()
    try:
        for _ in range(_CONNECTS):
            with way.connection() as client:
                client.execute("SELECT 1")
    except psycopg.Error as error:
        raise MeasureError(f"a session failed: {error}") from None
    return Queries(_CONNECTS, _CONNECTS / (time.perf_counter() - start), ())


def _run(way: Access, command: Sequence[str], seconds: int) -> str:
    limit = seconds + _SPARE_SECONDS
    try:
        done = subprocess.run(
            command, env=way.environment(), capture_output=True, text=True, check=False, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise MeasureError(f"it was not through after {limit} s") from None
    if done.returncode:
        raise MeasureError(f"exit code {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _latencies(folder: Path) -> tuple[float, ...]:
    """pgbench's log: client, transaction, microseconds, script, time."""
    return tuple(float(line.split()[2]) for log in folder.iterdir() for line in log.open(encoding="ascii"))
