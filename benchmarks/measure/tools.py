"""Starting a load generator, and what its failure says."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from benchmarks.measure.figure import MeasureError

_SPARE_SECONDS = 30.0


def run(command: Sequence[str], seconds: float) -> str:
    """Its standard output. Raises MeasureError if it fails or goes on for much longer than `seconds`."""
    limit = seconds + _SPARE_SECONDS
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        raise MeasureError(f"it was not through after {limit:g} s") from None
    if done.returncode:
        told = (done.stderr or done.stdout).strip().splitlines()
        raise MeasureError(f"exit code {done.returncode}: {told[-1] if told else 'without a word'}")
    return done.stdout
