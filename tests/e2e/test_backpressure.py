"""A reader that is slow or stops slows its own session: memory stays bounded, and its neighbours go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.e2e.stack.clients import connect
from tests.e2e.stack.memory import watched
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.slow_client import Counted, SlowClient
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

MIB = 1024 * 1024
# What each process may hold, whatever a result's length (design, "Backpressure is a security property").
HELD_BYTES = 128 * MIB
ROW_BYTES, ROWS = MIB, 2048
TWO_GIBIBYTES = f"SELECT repeat('x', {ROW_BYTES}) FROM generate_series(1, {ROWS})"
SLOW_BYTES_A_SECOND = 10_000_000
# More than there are links between gateway and agent, so that every link has some.
STALLED = NEIGHBOURS = 9
QUESTIONS = 20
WAITS = """
    SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND wait_event = 'ClientWrite'
"""


def neighbour(port: int, application: str) -> None:
    """A session with small answers and a large one."""
    with connect(port, application) as connection:
        for number in range(QUESTIONS):
            assert connection.execute("SELECT %s::int", [number]).fetchone() == (number,)
        assert connection.execute("SELECT repeat('y', %s)", [8 * MIB]).fetchone() == ("y" * 8 * MIB,)


def neighbours_go_on(port: int, application: str, slow: SlowClient | None = None) -> None:
    """All of them get all that they ask for; `slow` reads a little all the while."""
    with ThreadPoolExecutor(NEIGHBOURS) as pool:
        asked = [pool.submit(neighbour, port, f"{application}-n{number}") for number in range(NEIGHBOURS)]

        def answered() -> bool:
            if slow:
                slow.read_for(0.2, SLOW_BYTES_A_SECOND)
            return all(question.done() for question in asked)

        until("the neighbours have their answers", answered, 120)
        for question in asked:
            question.result()


def is_whole(counted: Counted) -> bool:
    """Every row, each with its one value's length before it, and how many the server says there are."""
    rows = (counted.rows, counted.row_bytes, counted.tag)
    return rows == (ROWS, ROWS * (2 + 4 + ROW_BYTES), f"SELECT {ROWS}\0".encode())


@dataclass(frozen=True)
class Way:
    """From a client's port to the upstream."""

    stack: Stack
    agent: str
    connection: str

    @property
    def port(self) -> int:
        """Of `penstock connect`."""
        return self.stack.forward(self.connection).port

    def pids(self) -> dict[str, int]:
        """Every process of ours on it."""
        return {
            "gateway": self.stack.gateway.process.pid,
            "agent": self.stack.agents[self.agent].pid,
            "connect": self.stack.forward(self.connection).process.pid,
        }


@pytest.fixture(params=["grpc", "tls"])
def way(request: pytest.FixtureRequest, own_stack: Callable[..., Stack], postgres: Postgres) -> Way:
    """The agent's links ride on each of the carriers."""
    if request.param == "grpc":
        return Way(own_stack(), AGENT, "db")
    stack = own_stack(TUNNEL_LISTEN=f"127.0.0.1:{free_port()}")
    stack.certified_agent("certified")
    return Way(stack, "certified", stack.connection("far", postgres.env(), agent="certified"))


def test_two_gibibytes_to_one_that_reads_slowly_and_to_one_that_stops(
    way: Way, postgres: Postgres, application: str
) -> None:
    """10 MB/s or nothing for as long as the neighbours have questions; then both read on, to the last row."""
    stack, port = way.stack, way.port
    with (
        watched(way.pids()) as peaks,
        SlowClient(port, f"{application}-slow") as slow,
        SlowClient(port, f"{application}-stalled") as stalled,
        postgres.direct() as server,
    ):
        for client in (slow, stalled):
            client.ask(TWO_GIBIBYTES)
        until(
            "the server waits", lambda: server.execute(WAITS, [f"{application}-stalled"]).fetchone() == (1,)
        )
        neighbours_go_on(port, application, slow)
        assert 0 < slow.counted.row_bytes < ROWS * ROW_BYTES
        assert stalled.counted.row_bytes == 0
        assert is_whole(slow.read_all()) and is_whole(stalled.read_all())
    assert {name: most for name, most in peaks.of.items() if most >= HELD_BYTES} == {}
    for name in ("slow", "stalled"):
        ended = stack.api.ended(stack.api.session(f"{application}-{name}")["id"])
        assert ended["upstream_bytes"] > ROWS * ROW_BYTES
        [statement] = stack.api.statements(ended["id"])
        assert (statement["text"], statement["rows"], statement["error"]) == (TWO_GIBIBYTES, ROWS, None)


def test_many_that_stop_reading(
    own_stack: Callable[..., Stack], postgres: Postgres, application: str
) -> None:
    """Some on every link: what they hold of its credit is missed by nobody else."""
    way = Way(own_stack(), AGENT, "db")
    port = way.port
    with watched(way.pids()) as peaks, ExitStack() as exits, postgres.direct() as server:
        for number in range(STALLED):
            client = exits.enter_context(SlowClient(port, f"{application}-s{number}"))
            client.ask(TWO_GIBIBYTES)
        waiting = f"{application}-s%"
        until("the server waits", lambda: server.execute(WAITS, [waiting]).fetchone() == (STALLED,), 60)
        neighbours_go_on(port, application)
    assert {name: most for name, most in peaks.of.items() if most >= HELD_BYTES} == {}
    until("none is left", lambda: server_has_none(postgres, waiting))


def server_has_none(postgres: Postgres, name: str) -> bool:
    """What was cut ends at the server, too."""
    with postgres.direct() as server:
        count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s"
        return server.execute(count, [name]).fetchone() == (0,)
