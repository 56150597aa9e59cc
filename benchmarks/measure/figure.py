"""A single measured value, and the errors of measuring."""

from __future__ import annotations

from dataclasses import dataclass


class MeasureError(Exception):
    """One measurement failed; the message says why. The others go on."""


class MissingWayError(Exception):
    """A way that cannot be had here; the message says why."""


@dataclass(frozen=True)
class Figure:
    """One repetition."""

    row: str
    unit: str
    way: str
    round: int
    value: float
