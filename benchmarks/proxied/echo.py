"""A chain of plain gRPC streams: what the same bytes cost where nothing is done with them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure.origin import wait
from benchmarks.measure.tools import run
from benchmarks.measure.way import Way
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process, Processes

_BUILT = Path(__file__).parents[2] / "target" / "bench" / "bin" / "penstock-echo"

HOST = "localhost"


def program() -> str:
    """The one that the Makefile builds, or PENSTOCK_ECHO."""
    return os.environ.get("PENSTOCK_ECHO", str(_BUILT))


@dataclass(frozen=True)
class Ends:
    """The server at the end of a chain, and the relay in its middle."""

    processes: Processes
    certificate: Issued
    """Of HOST."""
    server: int = field(default_factory=free_port)
    relay: int = field(default_factory=free_port)

    def serve(self, *, tls: bool) -> Process:
        """Starts the server."""
        return self._start("server", self.server, "-role", "serve", *self._own(tls))

    def pass_on(self, port: int, *, tls: bool) -> Process:
        """Starts the relay, which goes on to HOST at a port with TLS."""
        return self._start("relay", self.relay, "-role", "relay", *self._own(tls), *self._onward(port))

    def load(self, port: int, seconds: int, streams: int, size: int, times: int = 1) -> dict[str, float]:
        """Round trips by way of HOST at a port with TLS: `count`, and `rate` in a second.

        Raises MeasureError.
        """
        asked = {"streams": streams, "seconds": seconds, "size": size, "times": times}
        options = [part for name, value in asked.items() for part in (f"-{name}", str(value))]
        found = json.loads(run([program(), "-role", "load", *self._onward(port), *options], seconds))
        return {name: float(value) for name, value in found.items()}

    def _own(self, tls: bool) -> tuple[str, ...]:
        return ("-cert", str(self.certificate.cert), "-key", str(self.certificate.key)) if tls else ()

    def _onward(self, port: int) -> tuple[str, ...]:
        return ("-target", f"{HOST}:{port}", "-ca", str(self.certificate.ca), "-name", HOST)

    def _start(self, name: str, port: int, *options: str) -> Process:
        process = self.processes.start(name, [program(), "-listen", f"127.0.0.1:{port}", *options])
        wait(process, port)
        return process


@dataclass(frozen=True)
class Chain(Way):
    """A client's way: to a relay, and from there to the server, each time by a port that speaks TLS."""

    ends: Ends
    port: int
    """The first of the two."""
