"""The composition root: the only place that builds things and connects them. One function per role.

Each role is imported when it is run: an agent loads neither the API nor the store.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from penstock import logs
from penstock.domain.errors import PenstockError
from penstock.engine.logging import init_logging
from penstock.settings import Settings, load


def run_gateway(settings: Settings | None = None) -> int:
    """Runs a gateway until a signal ends it. Returns the exit code; errors are in the log."""
    from penstock.app.gateway import serve

    return _run(lambda known: serve(known, standalone=False), settings)


def run_standalone(settings: Settings | None = None) -> int:
    """Runs a gateway and an agent named ``local`` in this process, on loopback unless told otherwise."""
    from penstock.app.gateway import serve

    return _run(lambda known: serve(known, standalone=True), settings)


def run_agent(settings: Settings | None = None) -> int:
    """Runs an agent until a signal ends it. Returns the exit code; errors are in the log."""
    from penstock.app.agent import serve

    return _run(serve, settings)


def run_worker(settings: Settings | None = None) -> int:
    """Runs a worker until a signal ends it, on uvloop. Returns the exit code; errors are in the log."""
    import uvloop

    from penstock.app.worker import serve

    return _run(serve, settings, uvloop.new_event_loop)


def run_proxy(settings: Settings | None = None) -> int:
    """Runs a proxy for workers until a signal ends it. Returns the exit code; errors are in the log."""
    from penstock.app.proxy import serve

    return _run(serve, settings)


def run_egress(settings: Settings | None = None) -> int:
    """Runs a forward proxy until a signal ends it. Returns the exit code; errors are in the log."""
    from penstock.app.egress import serve

    return _run(serve, settings)


def _run(
    serve: Callable[[Settings], Awaitable[None]],
    settings: Settings | None,
    event_loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    logs.configure("json", "INFO")

    async def body() -> None:
        known = settings or load()
        logs.configure(known.log_encoding, known.log_level)
        init_logging(known.log_encoding, known.log_level, grpc=known.log_grpc)
        await serve(known)

    try:
        with asyncio.Runner(loop_factory=event_loop) as runner:
            runner.run(body())
    except PenstockError as error:
        structlog.get_logger("penstock.app").error(error.message, code=str(error.code), hint=error.hint)
        return 1
    return 0
