"""What is wrong with a configuration, for people: file, line, key, reason, and what to do."""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from penstock.domain.errors import PenstockError, Side, malformed
from penstock.egress.resources.unsupported import UNSUPPORTED

Where = Callable[[Sequence[str | int]], tuple[Path, int | None]]
"""The file and line of a place."""

Known = Callable[[Sequence[str | int]], list[str]]
"""The keys that a place may hold."""

_HINT = "docs/reference/egress.md lists what may be written"
_SHOWN = 5
_UNKNOWN = "extra_forbidden"


def refused(message: str, *, hint: str | None = _HINT) -> PenstockError:
    """A fault in a configuration file."""
    error = malformed(message, hint=hint)
    error.side = Side.GATEWAY
    return error


def refused_at(path: Path, line: int | None, message: str, *, hint: str | None = _HINT) -> PenstockError:
    """A fault at a line of a file."""
    where = f"{path}:{line}" if line is not None else str(path)
    return refused(f"{where}: {message}", hint=hint)


def explain(error: ValidationError, where: Where, known: Known) -> PenstockError:
    """The first fault by its line, and where the others are."""
    faults = error.errors(include_url=False, include_input=False)
    # On one line, a key that nobody knows tells more than one that is missing.
    faults.sort(key=lambda fault: (where(fault["loc"])[1] or 0, fault["type"] != _UNKNOWN))
    first = faults[0]
    message, hint = _words(first, known)
    others = list(dict.fromkeys(f"line {where(fault['loc'])[1]}" for fault in faults[1:_SHOWN]))
    if len(faults) > 1:
        message += f" (and {len(faults) - 1} more: {', '.join(others)})"
    return refused_at(*where(first["loc"]), message, hint=hint)


def _words(fault: ErrorDetails, known: Known) -> tuple[str, str]:
    place = _place(fault["loc"])
    said = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] != _UNKNOWN:
        return (f"{place}: {said}" if place else said), _HINT
    key, names = str(fault["loc"][-1]), known(fault["loc"][:-1])
    if key in UNSUPPORTED:
        return f"{place} is not read", UNSUPPORTED[key]
    close = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known here: {', '.join(names)}" if names else _HINT
    return f"{place} is not known", hint


def _place(loc: Sequence[str | int]) -> str:
    """``profile[0].rule[2].allow``; what pydantic adds of its own is left out."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part != "[key]" and not part.startswith("function-"):
            text += f".{part}" if text else part
    return text
