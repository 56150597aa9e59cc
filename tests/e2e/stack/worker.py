"""`penstock start worker`: the test's application, or an upstream, behind somebody's tunnel port."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.processes import Process, Processes

APPLICATION = "tests.e2e.stack.application:app"
_TREE = Path(__file__).parents[3]


def importing() -> dict[str, str]:
    """The variable by which another process finds the test's application."""
    before = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(_TREE), *([before] if before else [])])}


@dataclass
class Worker:
    """One worker's settings; each start is a new process with them."""

    home: Path
    processes: Processes
    certificate: Issued
    port: int
    """The tunnel port on this machine."""
    what: str = APPLICATION
    """MODULE:APP or a URL."""
    options: tuple[str, ...] = ("--connections", "4")
    variables: Mapping[str, str] = field(default_factory=dict)
    process: Process = field(init=False)

    def start(self) -> Process:
        """A new process; it is not connected yet."""
        command = [PENSTOCK, "start", "worker", self.what, "--connect", f"127.0.0.1:{self.port}"]
        command += ["--cert", str(self.certificate.cert), "--key", str(self.certificate.key)]
        command += ["--ca", str(self.certificate.ca), *self.options]
        variables = {**importing(), "LOG_LEVEL": "DEBUG", **self.variables}
        self.process = self.processes.start("worker", command, environment(self.home, variables))
        return self.process
