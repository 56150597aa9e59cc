"""Waiting for what is to become so, with an end to patience."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.05


def until(what: str, look: Callable[[], T | None], seconds: float = 30.0) -> T:
    """The first answer of `look` that is true; AssertionError naming `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"it was not so after {seconds:g} s: {what}; last seen: {found!r}")
        time.sleep(_POLL_SECONDS)
