"""The proxy for workers, built and run."""

import structlog

from penstock.app.signals import stop_requested
from penstock.domain.errors import malformed
from penstock.proxy import ReverseProxy, parse_selector
from penstock.settings import Settings

_TUNNEL_LISTEN = "0.0.0.0:8443"
_PUBLIC_LISTEN = "0.0.0.0:8080"


async def serve(settings: Settings) -> None:
    """Runs a proxy until a signal ends it. Raises what keeps it from starting."""
    proxy = reverse_proxy(settings)
    log = structlog.get_logger("penstock.app")
    with stop_requested() as stop:
        await proxy.start()
        log.info("proxy ready", tunnels=list(proxy.tunnels), public=list(proxy.public), admin=proxy.admin)
        try:
            await stop.wait()
        finally:
            await proxy.shutdown(float(settings.drain_seconds))
        log.info("proxy stopped")


def reverse_proxy(settings: Settings) -> ReverseProxy:
    """The proxy that the settings describe; not started."""
    if settings.tls_cert is None or settings.tls_key is None:
        raise malformed(
            "workers are shown no certificate",
            hint="give --certificate and --key, or set TLS_CERT and TLS_KEY; penstock pki issue makes both",
        )
    if settings.proxy_workers_ca is None:
        raise malformed(
            "workers are asked for no certificate: the port would take anyone's",
            hint="give --workers-ca, or set PROXY_WORKERS_CA: the CA that signs workers' certificates",
        )
    public_cert, public_key = settings.public_tls_cert, settings.public_tls_key
    return ReverseProxy(
        certificate=settings.tls_cert.get_secret_value(),
        key=settings.tls_key.get_secret_value(),
        workers_ca=settings.proxy_workers_ca.get_secret_value(),
        tunnel_listen=settings.tunnel_listen or _TUNNEL_LISTEN,
        allow=settings.proxy_allow,
        public_listen=settings.public_listen or _PUBLIC_LISTEN,
        public_certificate=None if public_cert is None else public_cert.get_secret_value(),
        public_key=None if public_key is None else public_key.get_secret_value(),
        public_behind_tls=settings.public_behind_tls,
        trusted=settings.trusted_proxies,
        routes=settings.proxy_routes,
        selector=parse_selector(settings.proxy_selector),
        max_concurrent_streams=settings.proxy_max_concurrent_streams,
        retries=settings.proxy_retries,
        wait_seconds=settings.proxy_wait_seconds,
        head_seconds=settings.proxy_head_seconds,
        idle_seconds=settings.proxy_idle_seconds,
        keepalive_seconds=settings.link_keepalive_seconds,
        access_log=settings.proxy_access_log,
        admin_listen=settings.admin_listen,
    )
