"""The worker as a library: an application behind NAT, published by a proxy that it dials.

::

    async with WorkerPool(
        app=app, address="proxy.example.com:8443", certificate="worker.pem", key="worker.key"
    ) as pool:
        await pool.ready()
        await stop.wait()
"""

import asyncio
from types import TracebackType
from typing import Self

from penstock.arguments import Pem, between, host_port, optional_pem, pem
from penstock.domain.errors import Code, PenstockError, Side, malformed
from penstock.engine.application import Application, ASGIApplication
from penstock.engine.worker import Flavour, Forward, Worker, WorkerConfig

__all__ = ["ASGIApplication", "Flavour", "MutualTLSRequired", "Pem", "WorkerPool"]

_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 5.0
"""How long an application may take, once its requests are over, to notice and to end."""
_CONNECTIONS = 256
_STREAMS = (1 << 31) - 1


class MutualTLSRequired(PenstockError):  # noqa: N818 - it says what is missing
    """A worker without a certificate. A tunnel port that asks for none would serve anyone's HTTP."""

    def __init__(self) -> None:
        super().__init__(
            Code.MALFORMED,
            Side.CLIENT,
            "a worker needs a certificate and its key, by which the proxy knows it",
            hint="penstock pki issue NAME makes both; give certificate and key, each PEM or a file",
        )


class WorkerPool:
    """Holds links to a proxy and serves what it asks, with an application or an upstream. Redials for ever.

    * ``app``: an ASGI 3 application, run on the loop that the pool is started on; or ``upstream``:
      ``http://HOST:PORT``, ``https://HOST:PORT``, ``h2c://HOST:PORT`` or ``unix:/PATH``.
    * ``address``: the proxy's tunnel port, ``HOST:PORT``; ``server_name``: what its certificate must hold, if
      that is not the host.
    * ``certificate``, ``key``: who the worker is. ``ca``, ``upstream_ca``: whom to believe; without them the
      system's roots.
    * ``https_proxy``: the forward proxy on the way, a URL with its credential; ``no_proxy``: what is reached
      without it. The environment is not read.
    * ``connections``: links to hold; ``max_concurrent_streams``: requests that may be open on each.
    * ``flavour``: ``h2``, which HAProxy speaks, or the experimental ``rh2``.
    * ``keepalive_seconds``: silence after which a link is probed. ``admin_listen``: a port for metrics.

    Raises :class:`MutualTLSRequired` without a certificate, and :class:`PenstockError` for what is no
    address, PEM or number of links.
    """

    def __init__(
        self,
        *,
        address: str,
        app: ASGIApplication | None = None,
        upstream: str | None = None,
        certificate: Pem | None = None,
        key: Pem | None = None,
        ca: Pem | None = None,
        server_name: str | None = None,
        https_proxy: str | None = None,
        no_proxy: str | None = None,
        connections: int = 1,
        max_concurrent_streams: int = 100,
        flavour: Flavour = "h2",
        upstream_ca: Pem | None = None,
        keepalive_seconds: int = 15,
        admin_listen: str | None = None,
    ) -> None:
        if certificate is None or key is None:
            raise MutualTLSRequired
        if (app is None) == (upstream is None):
            raise malformed("a worker serves with an app or with an upstream", hint="give one of the two")
        self._app = app
        self._forward = (
            None if upstream is None else Forward(upstream, optional_pem("upstream_ca", upstream_ca))
        )
        self._config = WorkerConfig(
            connect=host_port("address", address, "name the proxy's tunnel port"),
            chain_pem=pem("certificate", certificate),
            key_pem=pem("key", key),
            ca_pem=optional_pem("ca", ca),
            server_name=server_name,
            https_proxy=https_proxy,
            no_proxy=no_proxy,
            connections=between(1, _CONNECTIONS, "connections", connections),
            streams=between(1, _STREAMS, "max_concurrent_streams", max_concurrent_streams),
            flavour=flavour,
            keepalive_seconds=between(1, 3600, "keepalive_seconds", keepalive_seconds),
            admin_listen=admin_listen,
        )
        self._application: Application | None = None
        self._worker: Worker | None = None
        self._over = False

    async def start(self) -> None:
        """Starts the application and begins to dial, once; does not wait for the proxy.

        Raises :class:`PenstockError` if the application says that it failed, or for what cannot be dialled.
        """
        if self._worker is not None or self._over:
            return
        try:
            if self._app is not None:
                self._application = Application(self._app)
                await self._application.startup()
            self._worker = self._dial()
        except PenstockError:
            await self.shutdown(0)
            raise

    async def ready(self) -> None:
        """Resolves once every link has been up; starts the pool if nobody has. Waits for ever."""
        await self.start()
        while self._worker is not None and not self._over:
            if await asyncio.to_thread(self._worker.ready, _POLL_SECONDS):
                return

    @property
    def links(self) -> int:
        """Links that are up."""
        return 0 if self._worker is None else self._worker.links

    @property
    def error(self) -> PenstockError | None:
        """What kept the last attempt to dial from succeeding; none if it succeeded."""
        return None if self._worker is None else self._worker.error

    async def shutdown(self, timeout: float = 10.0) -> bool:  # noqa: ASYNC109 - the core keeps it
        """Tells the proxy (GOAWAY), lets requests in flight finish for ``timeout`` seconds, then closes.

        Whether all of them finished. The application is ended afterwards; raises :class:`PenstockError` if
        that failed. A second call does nothing.
        """
        if self._over:
            return True
        self._over = True
        finished = True
        if self._worker is not None:
            finished = await asyncio.to_thread(self._worker.shutdown, timeout)
        if self._application is not None:
            await self._application.shutdown(_PATIENCE_SECONDS)
        return finished

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def _dial(self) -> Worker:
        serves = self._forward if self._application is None else self._application.core
        if serves is None:
            raise malformed("there is nothing to serve with")
        worker = Worker(self._config, serves)
        worker.start()
        return worker
