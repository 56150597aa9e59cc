"""The forward proxy on its own, built and run: no store, a file that is followed as it changes."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog

from penstock.app.signals import stop_requested
from penstock.domain.errors import PenstockError
from penstock.egress.load import Overrides
from penstock.egress.part import Mark
from penstock.egress.source import Source
from penstock.engine.egress import Egress, check
from penstock.settings import Settings

POLL_SECONDS = 0.2
"""A change takes effect when two looks in a row found the same: files are written in steps."""


Apply = Callable[[Mapping[str, Any]], None]
"""Puts a configuration in force. Blocks; raises :class:`PenstockError` if it is refused."""


async def serve(settings: Settings) -> None:
    """Runs a forward proxy until a signal ends it; the signal HUP reads its file again at once."""
    source = Source(settings.egress_config, Overrides(settings.egress_listen, settings.admin_listen), check)
    proxy = Egress(await asyncio.to_thread(source.compile))
    with stop_requested() as stop:
        bound = await asyncio.to_thread(proxy.start)
        structlog.get_logger("penstock.app").info(
            "egress ready", listeners=list(bound.listeners), admin=bound.admin
        )
        try:
            async with following(source, proxy.reconfigure):
                await stop.wait()
        finally:
            await asyncio.to_thread(proxy.shutdown, float(settings.drain_seconds))


def of_gateway(settings: Settings) -> Source | None:
    """What configures the forward proxy of a gateway, if it is asked for."""
    if settings.egress_listen is None:
        return None
    return Source(settings.egress_config, Overrides(settings.egress_listen, gateway=True), check)


@asynccontextmanager
async def following(source: Source, apply: Apply) -> AsyncIterator[None]:
    """Follows a configuration as it changes, until the end."""
    with reload_requested() as reload:
        task = asyncio.create_task(follow(source, apply, reload))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def follow(source: Source, apply: Apply, reload: asyncio.Event) -> None:
    """Applies what changes, for ever. What is refused changes nothing, and is told once."""
    seen: Mapping[Path, Mark] = {}
    while True:
        asked = await _waited(reload)
        changes = await asyncio.to_thread(source.changes)
        if asked or (changes and changes == seen):
            await _apply(source, apply)
            changes = {}
        seen = changes


async def _waited(reload: asyncio.Event) -> bool:
    """Whether somebody asked before it was time to look again."""
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await reload.wait()
    except TimeoutError:
        return False
    reload.clear()
    return True


async def _apply(source: Source, apply: Apply) -> None:
    log = structlog.get_logger("penstock.app")
    try:
        await asyncio.to_thread(lambda: apply(source.compile()))
    except PenstockError as error:
        log.error("configuration refused, the old one stays", error=error.message, hint=error.hint)
    else:
        log.info("configuration applied")


@contextmanager
def reload_requested() -> Iterator[asyncio.Event]:
    """An event that SIGHUP sets."""
    loop = asyncio.get_running_loop()
    reload = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    try:
        yield reload
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
