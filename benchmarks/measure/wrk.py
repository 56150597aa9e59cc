"""wrk: requests over kept connections, one after another on each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.measure.figure import MeasureError
from benchmarks.measure.tools import run

# wrk prints for people; its script may print for us. Times are in microseconds.
_REPORT = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d,'
      .. ' "connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
"""
_ERRORS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True)
class Load:
    """What a run found."""

    requests: int
    seconds: float
    p50: float
    """Microseconds, of whole answers."""
    p99: float

    @property
    def rate(self) -> float:
        """Requests in a second."""
        return self.requests / self.seconds


@dataclass(frozen=True)
class Asked:
    """What each request is."""

    url: str
    target: str | None = None
    """The request target, if it is not the URL's path: absolute-form for a forward proxy."""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body_bytes: int = 0
    closes: bool = False
    """Whether the server may end each connection without a word, as one of HTTP/1.0 does."""

    def script(self) -> str:
        """wrk's, in Lua. Everything is constant, so that wrk builds the request once."""
        parts = [f"wrk.method = {json.dumps(self.method)}"]
        if self.target:
            parts.append(f"wrk.path = {json.dumps(self.target)}")
        for name, value in self.headers.items():
            parts.append(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}")
        if self.body_bytes:
            parts.append(f"wrk.body = string.rep('x', {self.body_bytes})")
        return "\n".join(parts) + _REPORT


def wrk(program: Sequence[str], asked: Asked, clients: int, seconds: int) -> Load:
    """Runs it with one thread. Raises MeasureError, too, if any request failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua", encoding="ascii") as script:
        script.write(asked.script())
        script.flush()
        options = ["-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s", str(Path(script.name))]
        return parse(run([*program, *options, asked.url], seconds), asked.closes)


def parse(out: str, closes: bool = False) -> Load:
    """Reads what the script wrote. Raises MeasureError if there were errors, or no requests.

    With `closes`, ends of connections are none: wrk has sent its next request by then, and cannot read.
    """
    line = next((line for line in out.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise MeasureError(f"wrk gave no result: {out.strip()[-200:]!r}")
    found: dict[str, int] = json.loads(line.removeprefix("RESULT "))
    errors = {name: found[name] for name in _ERRORS if found[name] and not (closes and name == "read")}
    if errors or not found["requests"]:
        told = ", ".join(f"{name} {count}" for name, count in errors.items()) or "no answer"
        raise MeasureError(f"of {found['requests']} requests failed: {told}")
    seconds = found["microseconds"] / 1_000_000
    return Load(found["requests"], seconds, float(found["p50"]), float(found["p99"]))
