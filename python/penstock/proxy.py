"""The proxy as a library: workers dial in, and what they serve is offered to the public.

::

    async with ReverseProxy(
        certificate="proxy.pem",
        key="proxy.key",
        workers_ca="workers-ca.pem",
        tunnel_listen="0.0.0.0:8443",
        public_listen="0.0.0.0:8080",
    ) as proxy:
        await stop.wait()
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Self, TypeAlias

from penstock.arguments import Pem, between, host_port, optional_pem, pem
from penstock.domain.errors import Code, PenstockError, Side, malformed
from penstock.engine.application import ASGIApplication
from penstock.engine.mounted import MountedProxy
from penstock.engine.proxy import (
    Allowed,
    AttachedWorker,
    Bound,
    Forwarding,
    Proxy,
    ProxyConfig,
    Public,
    Route,
    Selector,
    SelectRequest,
    Tunnel,
)
from penstock.engine.proxy_hooks import OnWorker, ProxyHooks, SelectWorker
from penstock.engine.worker import Flavour

__all__ = [
    "Allowed",
    "AttachedWorker",
    "Flavour",
    "OnWorker",
    "ReverseProxy",
    "Route",
    "SelectRequest",
    "SelectWorker",
    "parse_allowed",
    "parse_route",
    "parse_selector",
    "sticky_cookie",
    "sticky_header",
]

BuiltIn: TypeAlias = Literal["least-in-flight", "round-robin", "power-of-two"]
_NAMED: Mapping[str, Literal["cookie", "header"]] = {"cookie": "cookie", "header": "header"}
_PLAIN: Mapping[str, BuiltIn] = {kind: kind for kind in ("least-in-flight", "round-robin", "power-of-two")}
_DAY_SECONDS = 86_400
_MANY = 1_000_000


def sticky_cookie(name: str) -> Selector:
    """Keeps a caller with one worker by a cookie of that name, which is set where it is missing."""
    return Selector("cookie", name)


def sticky_header(name: str) -> Selector:
    """Keeps callers who send the same value of a header with one worker."""
    return Selector("header", name)


class ReverseProxy:
    """Accepts workers on mutual TLS and passes public requests on to them.

    * ``tunnel_listen``: ``HOST:PORT`` for workers, one or several; ``certificate``, ``key``: what the proxy
      shows there; ``workers_ca``: who signs workers' certificates. ``flavours``: ``h2`` as HAProxy speaks
      it, and the experimental ``rh2``.
    * ``allow``: names of workers (a subject alternative name or the common name, ``*`` for any characters),
      each perhaps with the group that it serves for. Without it: every certificate of the CA.
    * ``public_listen``: ``HOST:PORT`` for the public, none, one or several; plain HTTP, or TLS with
      ``public_certificate`` and ``public_key``; ``public_behind_tls``: something before it ends TLS.
      ``trusted``: networks of proxies (``CIDR``) that are believed about who calls.
    * ``routes``: which group serves a host and the beginning of a path. Without them: the group ``default``
      serves everything.
    * ``selector``: ``least-in-flight``, ``round-robin``, ``power-of-two``, :func:`sticky_cookie`,
      :func:`sticky_header`, or a callable that is given the request and the workers that have room and
      returns one of them, or None for an answer of 503. It may be a coroutine function. It is called on the
      event loop for every request, which costs far more than the request itself: the slow path.
    * ``on_attach``, ``on_detach``: called on the event loop, in order, with a worker whose first link is up
      or whose last has gone.
    * ``max_concurrent_streams``: requests on one link, if the worker admits as many. ``retries``: further
      attempts at a request that is safe to repeat. ``wait_seconds``: how long a request waits while no
      worker is attached; ``max_waiting``: how many may. ``head_seconds``: how long a worker may take for
      the head of its answer; ``idle_seconds``: silence after which a body or a websocket is given up.
      ``access_log``: logs every request.
    * ``admin_listen``: a port for metrics.

    Raises :class:`PenstockError` for what cannot be used.
    """

    def __init__(
        self,
        *,
        certificate: Pem,
        key: Pem,
        workers_ca: Pem,
        tunnel_listen: str | Sequence[str] = "0.0.0.0:8443",
        flavours: Sequence[Flavour] = ("h2", "rh2"),
        allow: Sequence[str | Allowed] = (),
        public_listen: str | Sequence[str] = (),
        public_certificate: Pem | None = None,
        public_key: Pem | None = None,
        public_behind_tls: bool = False,
        trusted: Sequence[str] = (),
        routes: Sequence[str | Route] = (),
        selector: BuiltIn | Selector | SelectWorker = "least-in-flight",
        on_attach: OnWorker | None = None,
        on_detach: OnWorker | None = None,
        max_concurrent_streams: int = 1000,
        retries: int = 2,
        wait_seconds: float = 2.0,
        max_waiting: int = 1000,
        head_seconds: int = 60,
        idle_seconds: int = 3600,
        keepalive_seconds: int = 15,
        access_log: bool = False,
        admin_listen: str | None = None,
    ) -> None:
        if (public_certificate is None) != (public_key is None):
            raise malformed("public_certificate and public_key belong together", hint="give both, or neither")
        self._select = selector if callable(selector) else None
        self._hooks = (on_attach, on_detach)
        chain, secret = pem("certificate", certificate), pem("key", key)
        authority = pem("workers_ca", workers_ca)
        public_chain = optional_pem("public_certificate", public_certificate)
        public_secret = optional_pem("public_key", public_key)
        self._config = ProxyConfig(
            tunnels=tuple(
                Tunnel(
                    listen=host_port("tunnel_listen", listen, "for example 0.0.0.0:8443"),
                    chain_pem=chain,
                    key_pem=secret,
                    workers_ca_pem=authority,
                    allow=tuple(parse_allowed(name) for name in allow),
                    flavours=tuple(flavours),
                )
                for listen in _several(tunnel_listen)
            ),
            public=tuple(
                Public(
                    host_port("public_listen", listen, "for example 0.0.0.0:8080"),
                    public_chain,
                    public_secret,
                    public_behind_tls,
                )
                for listen in _several(public_listen)
            ),
            routes=tuple(parse_route(route) for route in routes),
            selector=Selector("custom") if callable(selector) else _selector(selector),
            forwarding=Forwarding(
                head_seconds=between(1, _DAY_SECONDS, "head_seconds", head_seconds),
                idle_seconds=between(1, 30 * _DAY_SECONDS, "idle_seconds", idle_seconds),
                wait_milliseconds=between(
                    0, 600_000, "wait_seconds (in thousandths)", int(wait_seconds * 1000)
                ),
                waiting=between(0, _MANY, "max_waiting", max_waiting),
                retries=between(0, 10, "retries", retries),
                streams=between(1, _MANY, "max_concurrent_streams", max_concurrent_streams),
                keepalive_seconds=between(1, 3600, "keepalive_seconds", keepalive_seconds),
                access_log=access_log,
            ),
            trusted=tuple(trusted),
            admin_listen=admin_listen,
        )
        self._app = MountedProxy(lambda loop: self._running().core.mount(loop))
        self._proxy: Proxy | None = None
        self._bound: Bound | None = None
        self._over = False

    async def start(self) -> None:
        """Binds the ports and serves, once. Raises :class:`PenstockError` that names a port that is taken."""
        if self._proxy is not None or self._over:
            return
        on_attach, on_detach = self._hooks
        hooks = ProxyHooks(asyncio.get_running_loop(), on_attach, on_detach, self._select)
        proxy = Proxy(self._config, hooks.watch, None if self._select is None else hooks.select)
        self._bound = await asyncio.to_thread(proxy.start)
        self._proxy = proxy

    @property
    def app(self) -> ASGIApplication:
        """The public side as an ASGI 3 application, to be mounted anywhere while the proxy runs.

        HTTP with trailers, and websockets, by the same routes. Its bytes pass through Python, for the server
        that calls it is Python's: ``public_listen`` is several times as fast.
        """
        return self._app

    @property
    def tunnels(self) -> tuple[str, ...]:
        """Where workers dial, ``HOST:PORT``, as bound."""
        return () if self._bound is None else self._bound.tunnels

    @property
    def public(self) -> tuple[str, ...]:
        """Where the public asks, ``HOST:PORT``, as bound."""
        return () if self._bound is None else self._bound.public

    @property
    def admin(self) -> str | None:
        """The port for metrics, ``HOST:PORT``, as bound."""
        return None if self._bound is None else self._bound.admin

    def workers(self) -> tuple[AttachedWorker, ...]:
        """Every worker that is attached, at this moment."""
        return () if self._proxy is None else self._proxy.workers()

    def revoke(self, who: str) -> int:
        """Ends the links of a worker at once, by a name or its fingerprint, and takes no more of it.

        How many links there were. It holds until :meth:`restore` or until the process ends.
        """
        return self._running().revoke(who)

    def restore(self, who: str) -> bool:
        """Takes links of a revoked worker again; False if it was not revoked."""
        return self._running().restore(who)

    def publish(self, routes: Sequence[str | Route]) -> None:
        """These are all routes from now on.

        Raises :class:`PenstockError`, and the old ones stay, if one cannot be.
        """
        self._running().publish(tuple(parse_route(route) for route in routes))

    async def shutdown(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - the core keeps it
        """Takes no more workers and callers, lets requests in flight finish for ``timeout`` seconds, then
        ends all. A second call does nothing.
        """
        if self._over:
            return
        self._over = True
        if self._proxy is not None:
            await asyncio.to_thread(self._proxy.shutdown, timeout)
            self._app.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()

    def _running(self) -> Proxy:
        if self._proxy is None:
            raise PenstockError(
                Code.CONFLICT, Side.CLIENT, "the proxy is not running", hint="enter it with async with"
            )
        return self._proxy


def parse_allowed(text: str | Allowed) -> Allowed:
    """Reads ``NAME`` or ``NAME=GROUP``. Raises :class:`PenstockError`."""
    if isinstance(text, Allowed):
        return text
    name, equals, group = text.partition("=")
    if not name or bool(equals) != bool(group):
        raise malformed(f"{text!r} allows nobody", hint="write NAME or NAME=GROUP, for example shop-*=shop")
    return Allowed(name, group) if group else Allowed(name)


def parse_route(text: str | Route) -> Route:
    """Reads ``HOST[/PATH][=GROUP]``. Raises :class:`PenstockError`."""
    if isinstance(text, Route):
        return text
    target, equals, group = text.rpartition("=") if "=" in text else (text, "", "")
    host, slash, rest = target.partition("/")
    if bool(equals) != bool(group) or "/" in group:
        raise malformed(
            f"{text!r} is no route", hint="write HOST/PATH=GROUP, for example shop.example/cart=cart or *=web"
        )
    route = Route(host=host or "*", path=slash + rest or "/")
    return Route(group, route.host, route.path) if group else route


def parse_selector(text: str) -> Selector:
    """Reads the name of a selector, or ``cookie:NAME`` and ``header:NAME``. Raises :class:`PenstockError`."""
    kind, colon, name = text.partition(":")
    if kind in _NAMED and name:
        return Selector(_NAMED[kind], name)
    if kind in _PLAIN and not colon:
        return Selector(_PLAIN[kind])
    hint = f"it is one of {', '.join(_PLAIN)}, cookie:NAME, header:NAME"
    raise malformed(f"{text!r} is no selector", hint=hint)


def _selector(selector: BuiltIn | Selector) -> Selector:
    return selector if isinstance(selector, Selector) else parse_selector(selector)


def _several(listen: str | Sequence[str]) -> tuple[str, ...]:
    return (listen,) if isinstance(listen, str) else tuple(listen)
