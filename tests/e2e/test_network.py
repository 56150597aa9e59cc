"""The network between each pair is hurt: a result is what it would be without us, or an error."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from tests.e2e.stack.cli import Cli, Forward
from tests.e2e.stack.clients import Connection, connect, program, psql, run
from tests.e2e.stack.faulty import Faulty
from tests.e2e.stack.http2 import dial
from tests.e2e.stack.marked import MARK
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_leaks")

ROWS = 500
WHOLE = f"SELECT n, md5(n::text), '{MARK}' FROM generate_series(1, {ROWS}) AS n"
MANY = 2_000_000
BIG = f"SELECT n, '{MARK}', repeat('x', 200) FROM generate_series(1, {MANY}) AS n"


@dataclass(frozen=True)
class Way:
    """A way to the database that leads through a network of ours."""

    network: Faulty
    connection: str
    cli: Cli
    forward: Forward

    def wait_until_whole(self, application: str) -> None:
        """Returns once a session can be had again: its agent and its client have noticed."""
        until("the way is whole again", lambda: self._works(application), 60)

    def _works(self, application: str) -> bool:
        try:
            with connect(self.forward.port, application) as client:
                return client.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            return False


def between_client_and_gateway(stack: Stack, postgres: Postgres, network: Faulty) -> Way:
    """A home that is logged in, whose gateway is said to be where the network begins."""
    cli = Cli(stack.folder / "network", stack.processes)
    cli.home.mkdir()
    config = (stack.cli.home / "config.toml").read_text("utf-8")
    (cli.home / "config.toml").write_text(moved(config, stack.gateway.grpc_port, network.port), "utf-8")
    (cli.home / "token").write_bytes((stack.cli.home / "token").read_bytes())
    return Way(network, "db", cli, cli.connect("db"))


def between_gateway_and_agent(stack: Stack, postgres: Postgres, network: Faulty) -> Way:
    """An agent whose key names the place where the network begins."""
    name = "afar"
    key = stack.api.post("agents", name=name)["key"]
    stack.keys[name] = moved(key, stack.gateway.grpc_port, network.port)
    stack.start_agent(name, {"LINK_KEEPALIVE_SECONDS": "2"})
    stack.wait_for_agent("online", name)
    connection = stack.connection("network-agent", postgres.env(), agent=name)
    return Way(network, connection, stack.cli, stack.cli.connect(connection))


def between_agent_and_database(stack: Stack, postgres: Postgres, network: Faulty) -> Way:
    """A connection whose port is where the network begins."""
    connection = stack.connection("network-database", postgres.env(PORT=str(network.port)))
    return Way(network, connection, stack.cli, stack.cli.connect(connection))


def moved(text: str, before: int, after: int) -> str:
    """The same with another port."""
    changed = re.sub(rf":{before}\b", f":{after}", text)
    assert changed != text
    return changed


PAIRS: dict[str, tuple[Callable[[Stack, Postgres, Faulty], Way], Callable[[Stack, Postgres], int]]] = {
    "client-gateway": (between_client_and_gateway, lambda stack, _: stack.gateway.grpc_port),
    "gateway-agent": (between_gateway_and_agent, lambda stack, _: stack.gateway.grpc_port),
    "agent-database": (between_agent_and_database, lambda _, postgres: postgres.port),
}


@pytest.fixture(scope="module")
def ways(stack: Stack, postgres: Postgres) -> Iterator[dict[str, Way]]:
    """One for each pair."""
    with ExitStack() as exits:
        networks = {
            pair: exits.enter_context(Faulty(port(stack, postgres)).running())
            for pair, (_, port) in PAIRS.items()
        }
        yield {pair: make(stack, postgres, networks[pair]) for pair, (make, _) in PAIRS.items()}


@pytest.fixture
def way(ways: dict[str, Way], pair: str, application: str) -> Iterator[Way]:
    """The way of a pair; whole again at the end."""
    yield ways[pair]
    ways[pair].network.heal()
    ways[pair].wait_until_whole(f"{application}-again")


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("harm", [Faulty.slice, Faulty.slow])
def test_what_only_slows(
    way: Way, postgres: Postgres, application: str, harm: Callable[[Faulty], None]
) -> None:
    """Byte by byte, or late: every byte arrives, in its place."""
    harm(way.network)
    asked = ("-X", "-At", "-c", WHOLE)
    through = psql(way.forward.port, application, *asked)
    password = {"PGPASSWORD": postgres.passwords["scram"]}
    directly = run([program("psql"), *postgres.direct_arguments(), *asked], application, variables=password)
    assert through.code == 0, through.err
    assert through.out == directly.out and through.out.count("\n") == ROWS


CUTS = {
    "client-gateway": [Faulty.reset, Faulty.end_near],
    "gateway-agent": [Faulty.reset, Faulty.end_far],
    "agent-database": [Faulty.reset, Faulty.end_near],
}
"""A reset, and the end of the direction that a result takes."""


@pytest.mark.parametrize(("pair", "harm"), [(pair, harm) for pair, harms in CUTS.items() for harm in harms])
def test_what_cuts(stack: Stack, way: Way, application: str, harm: Callable[[Faulty], None]) -> None:
    """In the midst of its rows the client has an error, and so has the recording."""
    with connect(way.forward.port, application, autocommit=False) as client:
        assert 1000 <= rows_until(client, lambda: harm(way.network)) < MANY
    ended = stack.api.ended(stack.api.session(application)["id"], 60)
    assert ended["status"] == "failed" and ended["reason"], ended
    statement = stack.api.statements(ended["id"])[-1]
    assert (statement["text"], statement["rows"]) == (BIG, None)
    assert stack.api.verify(ended["id"])["ok"] is True


def rows_until(client: Connection, harm: Callable[[], None]) -> int:
    """How many came before the error."""
    seen = 0
    with pytest.raises(psycopg.OperationalError), client.cursor() as cursor:
        for _ in cursor.stream(BIG.encode()):
            seen += 1
            if seen == 1000:
                harm()
    return seen


def test_what_swallows_links(stack: Stack, ways: dict[str, Way], application: str) -> None:
    """Nothing is closed and nothing comes: each side finds it out by itself, and the client has an error."""
    pairs = ("client-gateway", "gateway-agent")

    def lose(pair: str) -> int:
        with connect(ways[pair].forward.port, f"{application}-{pair}", autocommit=False) as client:
            return rows_until(client, ways[pair].network.swallow)

    with ThreadPoolExecutor() as pool:
        for seen in pool.map(lose, pairs, timeout=120):
            assert 1000 <= seen < MANY
    for pair in pairs:
        ended = stack.api.ended(stack.api.session(f"{application}-{pair}")["id"], 60)
        assert ended["status"] == "failed" and ended["reason"], ended
        ways[pair].network.heal()
        ways[pair].wait_until_whole(f"{application}-again")


@pytest.mark.parametrize("pair", ["agent-database"])
def test_what_swallows_for_a_while(stack: Stack, way: Way, application: str) -> None:
    """A database that is silent may be at work: its session waits, and has the rest as soon as it comes."""
    with connect(way.forward.port, application) as client, ThreadPoolExecutor() as pool:
        session = stack.api.session(application)["id"]
        way.network.swallow()
        rows = pool.submit(lambda: client.execute(WHOLE.encode()).fetchall())
        until("it is asked", lambda: stack.api.statements(session))
        way.network.heal()
        assert len(rows.result(60)) == ROWS


# Bytes of which nobody knows where they end

STREAM = 64 * 1024 * 1024


@contextmanager
def endless() -> Iterator[int]:
    """A port whose every caller is sent much."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    peer, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_send, args=(peer,), daemon=True).start()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _send(peer: socket.socket) -> None:
    with peer:
        try:
            peer.sendall(bytes(STREAM))
        except OSError:
            return


@pytest.mark.parametrize(
    ("pair", "harm"), [(pair, harm) for pair in ("client-gateway", "gateway-agent") for harm in CUTS[pair]]
)
def test_a_cut_stream_of_bytes_does_not_end_in_order(
    stack: Stack, way: Way, pair: str, harm: Callable[[Faulty], None]
) -> None:
    """A connection of type `tcp`: the client meets a reset, for an end would say that it has had all."""
    agent = AGENT if pair == "client-gateway" else "afar"
    with endless() as port, ExitStack() as exits:
        name = f"endless-{pair}-{harm.__name__.replace('_', '-')}"
        stack.connection(name, {"HOST": "127.0.0.1", "PORT": str(port)}, kind="tcp", agent=agent)
        forward = way.cli.connect(name)
        client = exits.enter_context(dial(forward.port))
        received = len(client.recv(1000))
        harm(way.network)
        with pytest.raises(ConnectionResetError):
            while data := client.recv(1 << 20):
                received += len(data)
        assert 0 < received < STREAM
        forward.process.end()
