"""Errors of the core become errors of ours."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from penstock._core import CoreError
from penstock.domain.errors import Code, PenstockError, Side, internal


def parse_error(text: str) -> PenstockError:
    """Reads the JSON of a core error. What cannot be read is a fault of ours, never silence."""
    try:
        shape = json.loads(text)
        hint = shape.get("hint")
        return PenstockError(
            Code(shape["code"]),
            Side(shape["side"]),
            str(shape["message"]),
            hint=None if hint is None else str(hint),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return internal(f"the core failed: {text}")


@contextmanager
def core_errors() -> Iterator[None]:
    """Turns a ``CoreError`` that is raised inside into a :class:`PenstockError`."""
    try:
        yield
    except CoreError as error:
        raise parse_error(str(error.args[0]) if error.args else "") from error
