"""curl: one large body, or several at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from benchmarks.measure.figure import MeasureError

_SECONDS = 60.0


def download(url: str, size: int, times: int = 1, options: Sequence[str] = ()) -> float:
    """MiB per second of `times` downloads at once of so many bytes each, connecting included.

    Raises MeasureError if one of them is not whole.
    """
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{size_download}", *options, url]
    start = time.perf_counter()
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(times)
    ]
    try:
        told = [
            each.communicate(timeout=max(1.0, start + _SECONDS - time.perf_counter())) for each in started
        ]
    except subprocess.TimeoutExpired:
        raise MeasureError(f"it was not through after {_SECONDS:g} s") from None
    finally:
        for each in started:
            each.kill()
            each.wait()
    seconds = time.perf_counter() - start
    for out, errors in told:
        if out.split() != ["200", str(size)]:
            raise MeasureError(f"curl: {out} {errors.strip()}")
    return times * size / seconds / 1024**2
