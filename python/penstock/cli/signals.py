"""Ctrl-C and SIGTERM as a question that is asked when it suits, not as an exception anywhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop(threading.Event):
    """Set once somebody asks to end."""

    def __init__(self) -> None:
        super().__init__()
        self.at_once = threading.Event()
        """Set by Ctrl-C, for somebody waits, and by whatever comes second."""

    def asked(self, number: int) -> None:
        """A signal came."""
        if self.is_set() or number == signal.SIGINT:
            self.at_once.set()
        self.set()


@contextmanager
def told_to_stop() -> Iterator[Stop]:
    """Set by SIGINT and SIGTERM. An exception would be lost where a library calls back from C."""
    stop = Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: stop.asked(number)) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
