"""How the demo ends: by Ctrl-C, by SIGTERM, by a lost terminal; always in order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Ending:
    """Turns every signal that asks to end into KeyboardInterrupt, so that one way out cleans up for all."""

    def __init__(self) -> None:
        self._held = False
        self._asked = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Listens to the signals."""
        before = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Puts off the interruption: between a process's start and its note, nobody would end it."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._asked:
            raise KeyboardInterrupt

    def begin(self) -> None:
        """From here on nothing interrupts: what cleans up is bounded."""
        self._held = True

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self._held:
            self._asked = True
        else:
            raise KeyboardInterrupt
