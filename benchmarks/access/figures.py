"""The single measurements. Each is bounded in time and raises if its client fails."""

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

from benchmarks.access.way import Way

BULK_MIB = 256

# BULK_MIB, in rows of 8 KiB with their newlines.
_WIDE = "COPY (SELECT repeat('x', 8191) FROM generate_series(1, 32768)) TO STDOUT"
_CONNECTS = 100
_SPARE_SECONDS = 60
# Of the transactions at one client; a log of all would slow the client that is measured.
_SAMPLED = 0.2


@dataclass(frozen=True)
class Queries:
    """What pgbench found."""

    tps: float
    """Transactions in a second, without the time to connect."""
    p50: float
    """Microseconds; 0 unless the latencies were logged."""
    p99: float


def queries(way: Way, clients: int, mode: str, seconds: int) -> Queries:
    """`pgbench -S` for so many seconds; at one client with the latencies."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-log-") as folder:
        command = [str(binaries() / "pgbench"), *way.arguments(), "-n", "-S", "-M", mode]
        command += ["-c", str(clients), "-j", "1", "-T", str(seconds)]
        if clients == 1:
            command += ["-l", "--sampling-rate", str(_SAMPLED), "--log-prefix", f"{folder}/log"]
        out = _run(way, [*command, way.database], seconds)
        found = re.search(r"^tps = ([0-9.]+)", out, re.MULTILINE)
        failed = re.search(r"failed transactions: (\d+)", out)
        if not found or not failed or int(failed[1]):
            raise RuntimeError(f"pgbench over {way.name} did not finish well:\n{out}")
        return Queries(float(found[1]), *_latencies(Path(folder)))


def bulk(way: Way) -> float:
    """MiB per second of one wide result, connecting included."""
    command = [str(binaries() / "psql"), *way.arguments(), "-X", "-q", "-d", way.database, "-c", _WIDE]
    start = time.perf_counter()
    with subprocess.Popen(
        command, env=way.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as client:
        _, errors = client.communicate(timeout=_SPARE_SECONDS)
    if client.returncode:
        raise RuntimeError(f"psql over {way.name} failed: {errors.decode()}")
    return BULK_MIB / (time.perf_counter() - start)


def connects(way: Way) -> float:
    """Sessions in a second, one after another: connect, SELECT 1, close."""
    start = time.perf_counter()
    for _ in range(_CONNECTS):
        with connection(way) as client:
            client.execute("SELECT 1")
    return _CONNECTS / (time.perf_counter() - start)


def connection(way: Way) -> psycopg.Connection[tuple[object, ...]]:
    """psycopg over a way."""
    return psycopg.connect(
        host="127.0.0.1",
        port=way.port,
        user=way.user,
        password=way.password,
        dbname=way.database,
        sslmode="disable",
        autocommit=True,
        connect_timeout=20,
    )


def _run(way: Way, command: Sequence[str], seconds: int) -> str:
    done = subprocess.run(
        command,
        env=way.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + _SPARE_SECONDS,
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} over {way.name} failed: {done.stderr}")
    return done.stdout


def _latencies(folder: Path) -> tuple[float, float]:
    """pgbench's log: client, transaction, microseconds, script, time."""
    times = [float(line.split()[2]) for log in folder.iterdir() for line in log.open(encoding="ascii")]
    if len(times) < 100:
        return 0.0, 0.0
    cuts = quantiles(times, n=100)
    return cuts[49], cuts[98]
