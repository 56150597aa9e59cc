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


def describe() -> dict[str, object]:
    """What a reader needs to judge the figures."""
    return {
        "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python -m benchmarks.access", *sys.argv[1:]]),
        "commit": _commit(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "build": f"as installed ({_native()}); `make setup` builds profile `setup`: release without LTO",
        "load_before": os.getloadavg()[0],
    }


def _native() -> str:
    """Found, not loaded: which build the processes that are started will load."""
    found = importlib.util.find_spec("penstock._core")
    if found is None or found.origin is None:
        return "unknown"
    return hashlib.sha256(Path(found.origin).read_bytes()).hexdigest()[:12]


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
