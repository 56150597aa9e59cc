"""The machine that a run was made on, and how busy it was with other things."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

RELEASE = Path(__file__).parents[2] / "target" / "bench" / "release"
"""Where the Makefile unpacks a release wheel for the benchmarks that are to show its speed."""


def describe(module: str) -> dict[str, object]:
    """What a reader needs to judge the figures. `module` is what `python -m` ran."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([f"python -m {module}", *sys.argv[1:]]),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "build": _native(),
        "load_before": os.getloadavg()[0],
    }


def _native() -> str:
    """Found, not loaded: which build the processes that are started will load."""
    found = importlib.util.find_spec("penstock._core")
    if found is None or found.origin is None:
        return "unknown"
    file = Path(found.origin)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    if file.is_relative_to(RELEASE):
        return f"release wheel ({digest})"
    return f"as installed ({digest}); `make setup` builds profile `setup`: release without LTO"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _commit() -> str:
    command = ["git", "rev-parse", "--short", "HEAD"]
    folder = Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=10)
    return done.stdout.strip() or "unknown"
