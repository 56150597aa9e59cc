"""The forward proxy on its own, built and run: no store, a file that is followed as it changes."""

import asyncio
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog

from penstock.app.signals import stop_requested
from penstock.domain.errors import PenstockError
from penstock.egress.load import Overrides
from penstock.egress.part import Mark
from penstock.egress.source import Source
from penstock.engine.egress import Egress
from penstock.settings import Settings

POLL_SECONDS = 0.2
"""A change takes effect when two looks in a row found the same: files are written in steps."""


class Reconfigurable(Protocol):
    """What takes a new configuration."""

    def reconfigure(self, config: Mapping[str, Any]) -> None: ...


async def serve(settings: Settings) -> None:
    """Runs a forward proxy until a signal ends it; the signal HUP reads its file again at once."""
    source = Source(settings.egress_config, Overrides(settings.egress_listen, settings.admin_listen))
    proxy = Egress(await asyncio.to_thread(source.compile))
    log = structlog.get_logger("penstock.app")
    with stop_requested() as stop, reload_requested() as reload:
        bound = await asyncio.to_thread(proxy.start)
        log.info("egress ready", listeners=list(bound.listeners), admin=bound.admin)
        following = asyncio.create_task(follow(source, proxy, reload))
        try:
            await stop.wait()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await asyncio.to_thread(proxy.shutdown, float(settings.drain_seconds))


async def follow(source: Source, proxy: Reconfigurable, reload: asyncio.Event) -> None:
    """Applies what changes, for ever. What is refused changes nothing, and is told once."""
    seen: Mapping[Path, Mark] = {}
    while True:
        asked = await _waited(reload)
        changes = await asyncio.to_thread(source.changes)
        if asked or (changes and changes == seen):
            await _apply(source, proxy)
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


async def _apply(source: Source, proxy: Reconfigurable) -> None:
    log = structlog.get_logger("penstock.app")
    try:
        await asyncio.to_thread(lambda: proxy.reconfigure(source.compile()))
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
