"""Conditions on paths: the beginning of one, or a table that says ``exact``, ``prefix`` or ``regex``."""

from typing import Annotated

from pydantic import BeforeValidator

from penstock.egress.values import Json, Written, several

_KINDS = ("prefix", "exact", "regex")
_LONGEST = 4096


def read_path(value: object) -> Json:
    """Reads ``"/api/"`` or ``{ exact = "/" }``. Raises ``ValueError``."""
    shape = {"prefix": value} if isinstance(value, str) else value
    if not isinstance(shape, dict) or len(shape) != 1 or not set(shape) <= set(_KINDS):
        raise ValueError(
            f'{value!r} is not a path: write "/PREFIX" or {{ exact = "/PATH" }} or {{ regex = "..." }}'
        )
    ((kind, text),) = shape.items()
    if not isinstance(text, str) or not 0 < len(text) <= _LONGEST:
        raise ValueError(f"a path is a text of 1 to {_LONGEST} characters")
    if kind != "regex" and not text.startswith("/"):
        raise ValueError(f"the path {text!r} does not begin with /")
    return {kind: text}


Path = Annotated[
    Json | None, BeforeValidator(lambda value: None if value is None else read_path(value)), Written("path")
]
Paths = Annotated[
    list[Annotated[Json, BeforeValidator(read_path)]], BeforeValidator(several), Written("paths")
]
