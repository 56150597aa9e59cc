"""Text from elsewhere made harmless: no byte of it may steer the reader's terminal."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

from penstock.cli.types import Json

# Beyond the C0 and C1 controls (category Cc): format characters that reorder or hide what surrounds them
# ("Trojan Source", CVE-2021-42574), lone surrogates, and the line separators that some terminals obey.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def clean(text: str, *, newlines: bool = False) -> str:
    """The text with every control and format character written as an escape such as `\\x1b`.

    With `newlines`, line feeds and tabs stay, for text that is shown on lines of its own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character, newlines) for character in text)


def _visible(character: str, newlines: bool) -> str:
    if newlines and character in "\n\t":
        return character
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return _SHORT.get(character) or _escape(ord(character))


def _escape(point: int) -> str:
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def show(value: Json) -> str:
    """One value of an API answer as a person reads it."""
    match value:
        case None | "" | []:
            return "-"
        case True | False:
            return "yes" if value else "no"
        case list():
            return ", ".join(show(item) for item in value)
        case dict():
            return " ".join(f"{clean(str(key))}={show(item)}" for key, item in value.items())
        case _:
            return clean(str(value))


def when(stamp: str | None) -> str:
    """An RFC 3339 time in the reader's own zone, to the second; what is not a time stays as it is."""
    if not stamp:
        return "-"
    moment = instant(stamp)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else clean(stamp)


def instant(stamp: str) -> datetime | None:
    """The moment that an RFC 3339 time names; UTC where it names no zone."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def size(count: int | None) -> str:
    """A number of bytes, in binary units."""
    if count is None:
        return "-"
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
