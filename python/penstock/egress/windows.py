"""Spans of the week: ``mon-fri 08:00-18:00 +01:00``."""

import re
from typing import Annotated

from pydantic import BeforeValidator

from penstock.egress.values import Json, Written, several

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WINDOW = re.compile(
    r"(?:(?P<days>[a-z,-]+) )?(?P<from>\d\d:\d\d)-(?P<to>\d\d:\d\d)(?: (?P<zone>utc|[+-]\d\d:\d\d))?"
)
_EXAMPLE = '"mon-fri 08:00-18:00 +01:00"'


def read_window(value: object) -> Json:
    """Reads ``[DAYS] HH:MM-HH:MM [OFFSET]``; without an offset in UTC. Raises ``ValueError``."""
    found = _WINDOW.fullmatch(value.lower()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(f"{value!r} is not a span of time, for example {_EXAMPLE}")
    zone = found["zone"] or "utc"
    sign = -1 if zone.startswith("-") else 1
    return {
        "days": [] if found["days"] is None else _days(found["days"]),
        "from_minute": _minute(found["from"], 1439),
        "to_minute": _minute(found["to"], 1440),
        "utc_offset_minutes": 0 if zone == "utc" else sign * _minute(zone[1:], 840),
    }


def _days(text: str) -> list[str]:
    days: list[str] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(f"{part!r} are no days, for example {_EXAMPLE}")
        begin, end = _DAYS.index(first), _DAYS.index(last if dash else first)
        # A span may go over the week's end: sat-mon.
        days += [_DAYS[day % 7] for day in range(begin, end + 1 if end >= begin else end + 8)]
    return list(dict.fromkeys(days))


def _minute(text: str, highest: int) -> int:
    hours, _, minutes = text.partition(":")
    minute = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or minute > highest:
        raise ValueError(f"{text!r} is no time of the day")
    return minute


Windows = Annotated[
    list[Annotated[Json, BeforeValidator(read_window)]], BeforeValidator(several), Written("spans of time")
]
