"""A probe: dials as an agent or a client does, and tells what comes through to the gateway and back."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock import _core
from penstock.domain.errors import PenstockError
from penstock.engine.errors import core_errors, parse_error


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown in a TLS handshake."""

    version: str | None
    alpn: str | None
    chain: tuple[bytes, ...]
    """Certificates in DER, leaf first."""
    distrust: PenstockError | None
    """Why agents and clients do not believe it; None if they do."""


@dataclass(frozen=True, slots=True)
class Carried:
    """How a stream fared."""

    seconds: float
    sent: int
    received: int
    error: PenstockError | None


class Probe:
    """Every method dials anew, and raises what it meets. None waits longer than it is told to.

    The settings are those of ``crates/probe``: ``url``, ``agent`` (none for a user), ``secret``,
    ``keepalive_seconds``, and those of any address.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        with core_errors():
            self._core = _core.Probe(json.dumps(dict(settings)))

    def shown(self, timeout_seconds: float) -> Shown:
        """What the address shows in its TLS handshake, believed or not."""
        with core_errors():
            shape = json.loads(self._core.shown(timeout_seconds))
        chain = tuple(base64.b64decode(der) for der in shape["chain"])
        return Shown(shape["version"], shape["alpn"], chain, _error(shape["distrust"]))

    def authenticate(self, timeout_seconds: float) -> None:
        """Proves who one is."""
        with core_errors():
            self._core.authenticate(timeout_seconds)

    def round_trips(self, count: int, timeout_seconds: float) -> Sequence[float]:
        """Seconds that single bytes take there and back."""
        with core_errors():
            return self._core.round_trips(count, timeout_seconds)

    def message(self, size: int, timeout_seconds: float) -> Carried:
        """Sends so many bytes and takes them back."""
        return _carried(self._core.message(size, timeout_seconds))

    def idle(self, seconds: float, timeout_seconds: float, *, keepalive: bool) -> Carried:
        """Holds a stream that carries nothing; with ``keepalive`` both sides send PINGs, as on any link."""
        return _carried(self._core.idle(seconds, keepalive, timeout_seconds))


def _carried(text: str) -> Carried:
    shape = json.loads(text)
    return Carried(shape["seconds"], shape["sent"], shape["received"], _error(shape["error"]))


def _error(shape: Mapping[str, Any] | None) -> PenstockError | None:
    return None if shape is None else parse_error(json.dumps(shape))
