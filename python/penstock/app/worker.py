"""The worker, built and run."""

import structlog

from penstock.app.application import is_upstream, load_application
from penstock.app.signals import stop_requested
from penstock.domain.errors import malformed
from penstock.settings import Settings
from penstock.worker import WorkerPool


async def serve(settings: Settings) -> None:
    """Runs a worker until a signal ends it. Raises what dialling again cannot mend."""
    pool = worker_pool(settings)
    log = structlog.get_logger("penstock.app")
    with stop_requested() as stop:
        await pool.start()
        log.info("worker started", serves=settings.worker_app, proxy=settings.worker_connect)
        finished = True
        try:
            await stop.wait()
        finally:
            finished = await pool.shutdown(float(settings.drain_seconds))
        log.info("worker stopped", finished=finished)


def worker_pool(settings: Settings) -> WorkerPool:
    """The pool that the settings describe; not started."""
    serves, address = settings.worker_app, settings.worker_connect
    if serves is None:
        raise malformed("there is nothing to serve", hint="give MODULE:APP or a URL, or set WORKER_APP")
    if address is None:
        raise malformed(
            "there is no proxy to dial",
            hint="give --connect HOST:PORT, or set WORKER_CONNECT: its tunnel port",
        )
    upstream = serves if is_upstream(serves) else None
    secret = {
        name: None if value is None else value.get_secret_value()
        for name, value in (
            ("certificate", settings.tls_cert),
            ("key", settings.tls_key),
            ("ca", settings.tls_ca),
            ("upstream_ca", settings.worker_upstream_ca),
            ("https_proxy", settings.https_proxy),
        )
    }
    return WorkerPool(
        app=None if upstream else load_application(serves),
        upstream=upstream,
        address=address,
        server_name=settings.tls_server_name,
        no_proxy=settings.no_proxy,
        connections=settings.worker_connections,
        max_concurrent_streams=settings.worker_max_concurrent_streams,
        flavour="rh2" if settings.tunnel_flavour == "rh2" else "h2",
        keepalive_seconds=settings.link_keepalive_seconds,
        admin_listen=settings.admin_listen,
        **secret,
    )
