"""`penstock-load`: CONNECT, which neither wrk nor h2load can do."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.egress.stage import HOST, Forward
from benchmarks.measure.figure import MeasureError
from benchmarks.measure.tools import run
from benchmarks.measure.wrk import Load

_BUILT = Path(__file__).parents[2] / "target" / "bench" / "bin" / "penstock-load"
_OPENERS = 32


def program() -> str:
    """The one that the Makefile builds, or PENSTOCK_LOAD."""
    return os.environ.get("PENSTOCK_LOAD", str(_BUILT))


def rate(way: Forward, port: int, clients: int, seconds: int, first: bytes = b"") -> Load:
    """Tunnels to a port of the origin, one after another from each client, closed once they stand.

    With `first` they stand once the origin has answered that. Raises MeasureError, too, if any failed.
    """
    job = {"tunnel": _tunnel(way, port, first), "clients": clients, "seconds": seconds}
    return parse(run([program(), json.dumps({"rate": job})], seconds))


@contextmanager
def held(way: Forward, port: int, count: int) -> Iterator[None]:
    """So many idle tunnels, all of which stand. Raises MeasureError if fewer do."""
    job = json.dumps({"hold": {"tunnel": _tunnel(way, port), "count": count, "clients": _OPENERS}})
    pipe = subprocess.PIPE
    with subprocess.Popen([program(), job], stdin=pipe, stdout=pipe, text=True) as child:
        try:
            line = child.stdout.readline() if child.stdout else ""
            told: dict[str, Any] = json.loads(line or "{}")
            if told.get("open") != count:
                raise MeasureError(f"of {count} tunnels stand {told.get('open')}: {told.get('why')}")
            yield
        finally:
            child.kill()


def parse(out: str) -> Load:
    """Reads what the program found. Raises MeasureError if a set-up failed, or none was done."""
    found: Mapping[str, Any] = json.loads(out)
    if found["failed"] or not found["done"]:
        raise MeasureError(f"{found['done']} tunnels stood, {found['failed']} did not: {found['why']}")
    return Load(found["done"], found["seconds"], float(found["p50_us"]), float(found["p99_us"]))


def _tunnel(way: Forward, port: int, first: bytes = b"") -> dict[str, Any]:
    return {
        "proxy": way.address,
        "target": f"{HOST}:{port}",
        "authorization": way.authorization,
        "first": first.hex(),
    }
