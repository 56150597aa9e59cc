"""The questions, each over all ways."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from benchmarks.measure.cost import RATE, bulk, per_100k, requests
from benchmarks.measure.curl import download
from benchmarks.measure.h2load import h2load
from benchmarks.measure.origin import SINK, SIZES
from benchmarks.measure.rounds import Row
from benchmarks.measure.wrk import Asked, wrk
from benchmarks.reverse.stage import Published
from tests.e2e.stack.peers import Peers

CLIENTS = (1, 16, 64, 256)
_BODIES = 16
_STREAMS = 16
_CONNECTIONS = 4


@dataclass(frozen=True)
class Questions:
    """Built from the load generators and the seconds that each of them takes."""

    peers: Peers
    seconds: int

    def files(self) -> list[Row[Published]]:
        """Of the ways to the origin's files."""
        return [
            *self.small(),
            Row(
                f"GET 1 KiB, HTTP/2, {_CONNECTIONS} x {_STREAMS} streams", self._http2, lambda way: way.http2
            ),
            Row(
                f"GET 1 MiB, {_BODIES} clients",
                lambda way: self._requests(way, Asked(way.url("1m")), _BODIES),
            ),
            Row(f"POST 1 MiB, {_BODIES} clients", self._upload),
            Row("1 GiB download", self._bulk),
        ]

    def small(self) -> list[Row[Published]]:
        """Small answers, at each number of clients."""
        return [
            Row(f"GET 1 KiB, {clients} client{'s' if clients > 1 else ''}", partial(self._small, clients))
            for clients in CLIENTS
        ]

    def _small(self, clients: int, way: Published) -> dict[str, float]:
        return self._requests(way, Asked(way.url("1k")), clients)

    def _requests(self, way: Published, asked: Asked, clients: int) -> dict[str, float]:
        program = self.peers.command("trixie", "usr/bin/wrk")
        return requests(way, lambda: wrk(program, asked, clients, self.seconds))

    def _upload(self, way: Published) -> dict[str, float]:
        asked = Asked(way.url(SINK), method="POST", body_bytes=SIZES["1m"])
        return self._requests(way, asked, _BODIES)

    def _http2(self, way: Published) -> dict[str, float]:
        program = self.peers.command("trixie", "usr/bin/h2load")
        before = way.cpu_seconds()
        count, rate = h2load(program, way.url("1k"), _CONNECTIONS, _STREAMS, self.seconds)
        return {RATE: rate, **per_100k(way, before, count)}

    def _bulk(self, way: Published) -> dict[str, float]:
        size = SIZES["1g"]
        return bulk(way, size, lambda: download(way.url("1g"), size, options=["--noproxy", "*"]))
