"""What the library is given, read and checked: PEM, addresses, numbers."""

from os import PathLike
from pathlib import Path

from penstock.domain.addresses import parse_address
from penstock.domain.errors import malformed
from penstock.domain.pem import decode_pem

Pem = str | PathLike[str]
"""PEM, as its text or as the path of a file that holds it."""


def pem(name: str, value: Pem) -> str:
    """The text. Raises :class:`PenstockError` that names the argument, and nothing of the content."""
    if isinstance(value, str) and "-----BEGIN " in value:
        return value
    try:
        return decode_pem(Path(value).expanduser().read_text("ascii"))
    except OSError as error:
        raise malformed(
            f"{name}: {value} cannot be read: {error.strerror}", hint="is the path right?"
        ) from None
    except ValueError as error:
        raise malformed(f"{name}: {value} {error}", hint="give PEM, or the path of a PEM file") from None


def optional_pem(name: str, value: Pem | None) -> str | None:
    """The text, if there is any."""
    return None if value is None else pem(name, value)


def host_port(name: str, value: str, hint: str) -> str:
    """``HOST:PORT``. Raises :class:`PenstockError` that names the argument."""
    try:
        return str(parse_address(value))
    except ValueError as error:
        raise malformed(f"{name}: {error}", hint=hint) from None


def between(least: int, most: int, name: str, value: int) -> int:
    """The number, if it is one of those. Raises :class:`PenstockError` that names the argument."""
    if not least <= value <= most:
        raise malformed(f"{name} is {value}", hint=f"it may be {least} to {most}")
    return value
