"""What the load generators print is read whole, and a failed request is never a figure."""

import json

import pytest

from benchmarks.egress import load
from benchmarks.measure import h2load, wrk
from benchmarks.measure.figure import MeasureError

_WRK = {
    "requests": 2000,
    "microseconds": 1_000_000,
    "bytes": 5,
    "p50": 300,
    "p99": 900,
    "connect": 0,
    "read": 0,
    "write": 0,
    "status": 0,
    "timeout": 0,
}

_H2LOAD = """\
finished in 1.01s, 23456.50 req/s, 25.30MB/s
requests: 23457 total, 23521 started, 23457 done, 23457 succeeded, {failed} failed, 0 errored, 0 timeout
status codes: 23457 2xx, 0 3xx, 0 4xx, 0 5xx
"""

_RATE = {"done": 50, "failed": 0, "why": None, "seconds": 0.5, "p50_us": 700, "p99_us": 1500}


def told(**changes: int) -> str:
    return f"Running 1s test @ http://x\nRESULT {json.dumps(_WRK | changes)}\n"


def test_wrk() -> None:
    found = wrk.parse(told())
    assert (found.rate, found.p50, found.p99) == (2000.0, 300.0, 900.0)


@pytest.mark.parametrize("error", ["connect", "read", "write", "status", "timeout"])
def test_wrk_with_an_error_is_no_figure(error: str) -> None:
    with pytest.raises(MeasureError, match=f"{error} 3"):
        wrk.parse(told(**{error: 3}))


def test_wrk_with_a_server_that_closes() -> None:
    assert wrk.parse(told(read=1999), closes=True).requests == 2000
    with pytest.raises(MeasureError, match="status 1"):
        wrk.parse(told(read=1999, status=1), closes=True)


@pytest.mark.parametrize(
    ("out", "what"), [("unable to connect", "no result"), (told(requests=0), "no answer")]
)
def test_wrk_without_requests_is_no_figure(out: str, what: str) -> None:
    with pytest.raises(MeasureError, match=what):
        wrk.parse(out)


def test_a_script_is_constant_and_quoted() -> None:
    asked = wrk.Asked("http://p", 'http://h/"x"', "POST", {"Host": "h"}, body_bytes=9)
    assert asked.script().splitlines()[:4] == [
        'wrk.method = "POST"',
        'wrk.path = "http://h/\\"x\\""',
        'wrk.headers["Host"] = "h"',
        "wrk.body = string.rep('x', 9)",
    ]


def test_h2load() -> None:
    assert h2load.parse(_H2LOAD.format(failed=0)) == (23457, 23456.5)


@pytest.mark.parametrize("out", [_H2LOAD.format(failed=2), "could not connect"])
def test_h2load_with_a_failure_is_no_figure(out: str) -> None:
    with pytest.raises(MeasureError):
        h2load.parse(out)


def test_tunnels() -> None:
    found = load.parse(json.dumps(_RATE))
    assert (found.rate, found.p50, found.p99) == (100.0, 700.0, 1500.0)


@pytest.mark.parametrize("changes", [{"failed": 1, "why": "the proxy refused"}, {"done": 0}])
def test_a_tunnel_that_does_not_stand_is_no_figure(changes: dict[str, object]) -> None:
    with pytest.raises(MeasureError, match="tunnels stood"):
        load.parse(json.dumps(_RATE | changes))
