"""Where the peers are that come from PyPI."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.measure.figure import MissingWayError

_INSTALLED = Path(__file__).parents[2] / "target" / "bench" / "peers"


def packages() -> Path:
    """The folder that the Makefile installs them to, or PENSTOCK_BENCH_PEERS. Ours imports nothing from it.

    Raises MissingWayError.
    """
    found = Path(os.environ.get("PENSTOCK_BENCH_PEERS", _INSTALLED))
    if not found.is_dir():
        raise MissingWayError(f"{found} is missing: `make bench-reverse` and `make bench-egress` install it")
    return found
