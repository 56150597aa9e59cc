"""granian and uvicorn, serving the application directly, with what makes each of them fastest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.measure.origin import wait
from benchmarks.measure.packages import packages
from benchmarks.reverse.stage import APPLICATION, Published, Stage
from tests.e2e.stack.ports import free_port

TREE = Path(__file__).parents[2]

GRANIAN = "granian direct"
UVICORN = "uvicorn direct"


def granian(stage: Stage) -> Published:
    """granian with one worker and uvloop. Raises MissingWayError."""
    port = free_port()
    options = ["--interface", "asgi", "--loop", "uvloop", "--workers", "1", "--no-ws", "--no-access-log"]
    where = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
    return _server(stage, GRANIAN, ["granian", *options, *where, APPLICATION], port)


def uvicorn(stage: Stage) -> Published:
    """uvicorn with uvloop and httptools. Raises MissingWayError."""
    port = free_port()
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    return _server(stage, UVICORN, ["uvicorn", *options, "--port", str(port), APPLICATION], port)


def python_path(*folders: Path) -> dict[str, str]:
    """Our own PYTHONPATH, after these folders and the tree that the application lies in."""
    inherited = os.environ.get("PYTHONPATH")
    paths = [*map(str, folders), str(TREE), *([inherited] if inherited else [])]
    return {"PYTHONPATH": os.pathsep.join(paths)}


def _server(stage: Stage, name: str, module: list[str], port: int) -> Published:
    command = [sys.executable, "-m", *module]
    process = stage.processes.start(name.split()[0], command, {**os.environ, **python_path(packages())})
    wait(process, port)
    return Published(name, (process,), port, http2=False)
