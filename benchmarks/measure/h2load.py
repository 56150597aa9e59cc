"""h2load: requests over HTTP/2 with prior knowledge."""

from __future__ import annotations

import re
from collections.abc import Sequence

from benchmarks.measure.figure import MeasureError
from benchmarks.measure.tools import run


def h2load(
    program: Sequence[str], url: str, connections: int, streams: int, seconds: int
) -> tuple[int, float]:
    """Requests done, and those in a second. Raises MeasureError, too, if any failed."""
    options = ["-t1", f"-c{connections}", f"-m{streams}", f"-D{seconds}"]
    return parse(run([*program, *options, url], seconds))


def parse(out: str) -> tuple[int, float]:
    """Reads h2load's summary. Raises MeasureError."""
    rate = re.search(r"^finished in .*?, ([0-9.]+) req/s", out, re.MULTILINE)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", out)
    if not rate or not counts:
        raise MeasureError(f"h2load gave no result: {out.strip()[-200:]!r}")
    succeeded, *faults = map(int, counts.groups())
    if any(faults) or not succeeded:
        raise MeasureError(f"{succeeded} requests succeeded; {counts[0]}")
    return succeeded, float(rate[1])
