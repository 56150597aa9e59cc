"""SIGTERM and SIGINT: the first asks to stop, the second does not ask."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
EXIT_CODE = 130


@contextmanager
def stop_requested() -> Iterator[asyncio.Event]:
    """An event that the first signal sets. A second one ends the process at once: recordings survive that."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    log = structlog.get_logger("penstock.signals")

    def received(number: signal.Signals) -> None:
        if stop.is_set():
            log.warning("stopping at once", signal=number.name)
            os._exit(EXIT_CODE)
        log.info("stopping; again to stop at once", signal=number.name)
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, received, number)
    try:
        yield stop
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
