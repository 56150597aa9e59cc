"""The questions, each over all ways."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from benchmarks.egress.load import rate
from benchmarks.egress.stage import HOST, Forward, client_hello
from benchmarks.measure.cost import bulk, requests
from benchmarks.measure.curl import download
from benchmarks.measure.origin import SIZES, Origin
from benchmarks.measure.rounds import Row
from benchmarks.measure.wrk import Asked, wrk
from tests.e2e.stack.peers import Peers

CLIENTS = (1, 16, 64, 256)

_SETTERS = 16


@dataclass(frozen=True)
class Questions:
    """Built from the load generators, the origin and the seconds that each load takes."""

    peers: Peers
    origin: Origin
    seconds: int
    hello: bytes = field(default_factory=client_hello)

    def rows(self) -> list[Row[Forward]]:
        """All of them."""
        return [
            *(
                Row(f"GET 1 KiB, {clients} client{'s' if clients > 1 else ''}", partial(self._small, clients))
                for clients in CLIENTS
            ),
            Row(f"CONNECT, {_SETTERS} clients", self._connect, _is_bare),
            Row(f"CONNECT and TLS, {_SETTERS} clients", self._connect_tls, _is_proxy),
            Row("1 GiB, 1 tunnel", partial(self._bulk, "1g", 1), lambda way: not way.only_tls),
            Row("1 GiB, 16 tunnels", partial(self._bulk, "64m", 16), lambda way: not way.only_tls),
        ]

    def _small(self, clients: int, way: Forward) -> dict[str, float]:
        program = self.peers.command("trixie", "usr/bin/wrk")
        url = f"http://{HOST}:{self.origin.port}/1k"
        if way.port is None:
            asked = Asked(url)
        else:
            headers = {"Host": f"{HOST}:{self.origin.port}", **way.headers}
            asked = Asked(f"http://{way.address}", url, headers=headers, closes=way.closes)
        return requests(way, lambda: wrk(program, asked, clients, self.seconds))

    def _connect(self, way: Forward) -> dict[str, float]:
        return requests(way, lambda: rate(way, self.origin.port, _SETTERS, self.seconds))

    def _connect_tls(self, way: Forward) -> dict[str, float]:
        port = self.origin.tls_port
        return requests(way, lambda: rate(way, port, _SETTERS, self.seconds, self.hello))

    def _bulk(self, name: str, times: int, way: Forward) -> dict[str, float]:
        url, size = f"http://{HOST}:{self.origin.port}/{name}", SIZES[name]
        return bulk(way, times * size, lambda: download(url, size, times, way.curl()))


def _is_bare(way: Forward) -> bool:
    return _is_proxy(way) and not way.only_tls


def _is_proxy(way: Forward) -> bool:
    return way.port is not None
