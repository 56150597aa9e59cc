"""How single values are written: durations, sizes, ports, networks, patterns of hosts.

Every reader raises ``ValueError`` that says what is wrong, and shows how it is written.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from penstock.domain.addresses import parse_address, parse_port

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
"""In milliseconds."""

_MILLISECONDS = {"ms": 1, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)")
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_AMOUNT = re.compile(r"(\d{1,12}) ?([KMG]i?B|B)")
_PATTERN = re.compile(r"[A-Za-z0-9_.*:-]{1,253}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_NAME = re.compile(r"[^\x00-\x1f\x7f:]{1,128}")
_LONGEST_MS = 10 * 366 * DAY


@dataclass(frozen=True, slots=True)
class Written:
    """How a value is written, for the reference; ``suffix`` is what its name ends in for the core."""

    word: str
    suffix: str = ""


def duration_ms(value: object) -> int:
    """Reads ``250ms``, ``5s``, ``1h30m``, or ``0``."""
    if value in (0, "0") and not isinstance(value, bool):
        return 0
    spans = _SPAN.findall(value) if isinstance(value, str) else []
    if not spans or "".join(map("".join, spans)) != value:
        raise ValueError(f'{value!r} is not a duration, for example "250ms", "5s", "1h30m" or 0')
    total = round(sum(float(number) * _MILLISECONDS[unit] for number, unit in spans))
    if total > _LONGEST_MS:
        raise ValueError(f"{value!r} is longer than ten years")
    return total


def some_duration_ms(value: object) -> int:
    """As :func:`duration_ms`, and at least a millisecond."""
    found = duration_ms(value)
    if found == 0:
        raise ValueError("it must be longer than 0")
    return found


def size_bytes(value: object) -> int:
    """Reads ``64KiB``, ``10MB`` or a number of bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[2] not in _BYTES:
        raise ValueError(f'{value!r} is not a size, for example "64KiB", "10MB" or 4096')
    return int(found[1]) * _BYTES[found[2]]


def port_range(value: object) -> dict[str, int]:
    """Reads ``443`` or ``"8000-8100"``."""
    first, dash, last = str(value).partition("-")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f'{value!r} is not a port, for example 443 or "8000-8100"')
    found = {"first": parse_port(first, lowest=1), "last": parse_port(last if dash else first, lowest=1)}
    if found["first"] > found["last"]:
        raise ValueError(f"{value!r} ends before it begins")
    return found


def network(value: str) -> str:
    """Reads ``10.0.0.0/8`` or one address."""
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network such as 10.0.0.0/8: {error}") from None


def pattern(value: str) -> str:
    """Reads a pattern of host names."""
    if not _PATTERN.fullmatch(value):
        if any(mark in value for mark in "/@") or "://" in value:
            raise ValueError(f"{value!r} is not a host: write the host alone, without scheme, port and path")
        raise ValueError(f"{value!r} is not a host name, *.DOMAIN, .DOMAIN, a name with *, or *")
    return value.lower()


def method(value: str) -> str:
    """Reads a method, in whatever case."""
    return token(value).upper()


def token(value: str) -> str:
    """Reads the name of a header or a method (RFC 9110 §5.6.2)."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"{value!r} is no name of a header or a method")
    return value


def digest(value: str) -> str:
    """Reads ``sha256:`` and 64 hexadecimal digits."""
    found = _DIGEST.fullmatch(value)
    if found is None:
        raise ValueError(
            "a key is given by its hash, sha256: and 64 digits; make one: penstock egress key NAME"
        )
    return found[1].lower()


def name(value: str) -> str:
    """Reads what something is called in logs and errors."""
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} cannot be a name: use 1 to 128 characters, none a colon or a control")
    return value


def address(value: str) -> str:
    """Reads ``HOST:PORT``."""
    return str(parse_address(value))


def ip(value: str) -> str:
    """Reads an IP address."""
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address") from None


def several(value: object) -> object:
    """One thing stands for a list of it."""
    return value if isinstance(value, list) else [value]


def _optional(read: Callable[[object], int]) -> BeforeValidator:
    return BeforeValidator(lambda value: None if value is None else read(value))


Duration = Annotated[int, BeforeValidator(duration_ms), Written("duration", "_ms")]
SomeDuration = Annotated[int, BeforeValidator(some_duration_ms), Written("duration", "_ms")]
OptionalDuration = Annotated[int | None, _optional(duration_ms), Written("duration", "_ms")]
Size = Annotated[int, BeforeValidator(size_bytes), Written("size")]
OptionalSize = Annotated[int | None, _optional(size_bytes), Written("size")]
Ports = Annotated[
    list[Annotated[dict[str, int], BeforeValidator(port_range)]],
    BeforeValidator(several),
    Written("ports"),
]
Networks = Annotated[
    list[Annotated[str, AfterValidator(network)]], BeforeValidator(several), Written("networks")
]
Patterns = Annotated[
    list[Annotated[str, AfterValidator(pattern)]], BeforeValidator(several), Written("hosts")
]
Methods = Annotated[
    list[Annotated[str, AfterValidator(method)]], BeforeValidator(several), Written("methods")
]
Texts = Annotated[list[str], BeforeValidator(several), Written("texts")]
Digests = Annotated[list[Annotated[str, AfterValidator(digest)]], BeforeValidator(several), Written("hashes")]
Name = Annotated[str, AfterValidator(name)]
HeaderName = Annotated[str, AfterValidator(token)]
Listen = Annotated[str, AfterValidator(address), Written("`HOST:PORT`")]
Addresses = Annotated[
    list[Annotated[str, AfterValidator(ip)]], BeforeValidator(several), Written("addresses")
]
Json = dict[str, Any]
