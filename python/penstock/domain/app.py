"""Apps: private services that the gateway publishes, served by workers that dialled in."""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from penstock.domain.addresses import is_host
from penstock.domain.errors import PenstockError, malformed

RESERVED = "/.penstock"
"""Paths of the gateway's own on every host that has an app which identifies its callers."""

TIMEOUT_SECONDS = 60

_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
_FIELD = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROUTE_CHARACTERS = 512


@dataclass(frozen=True, slots=True)
class Route:
    """What an app is asked by: a host in lower case, or ``*.`` and a domain, and a prefix of the path.

    The prefix is of whole segments: ``/shop`` takes ``/shop`` and ``/shop/1``, not ``/shops``.
    """

    host: str
    path: str = "/"

    def __str__(self) -> str:
        return self.host if self.path == "/" else self.host + self.path


class SelectorKind(StrEnum):
    """How a worker is chosen for a request."""

    LEAST_IN_FLIGHT = "least-in-flight"
    ROUND_ROBIN = "round-robin"
    POWER_OF_TWO = "power-of-two"
    COOKIE = "cookie"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Selector:
    """A way to choose a worker. ``name`` is of the cookie or the header that a caller is kept by."""

    kind: SelectorKind = SelectorKind.LEAST_IN_FLIGHT
    name: str | None = None

    def __str__(self) -> str:
        return str(self.kind) if self.name is None else f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class App:
    """A published app.

    A certificate with one of the names in ``workers`` is of a worker of its. With ``identify`` callers prove
    who they are, and ``access`` names the groups that may enter, none of them meaning every user.
    ``timeout_seconds``: until a worker's answer begins.
    """

    id: str
    name: str
    routes: tuple[Route, ...]
    workers: tuple[str, ...]
    created_at: datetime
    identify: bool = False
    access: frozenset[str] = frozenset()
    selector: Selector = Selector()
    timeout_seconds: int = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class AppPresence:
    """An app with at least one worker's link up."""

    workers: int
    links: int
    requests: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """A user who may enter an app; ``token`` is the token's identifier, never the token."""

    id: str
    name: str
    groups: frozenset[str]
    token: str
    expires_at: datetime


def parse_route(text: str) -> Route:
    """Reads ``HOST`` or ``HOST/PATH``. Raises ``malformed`` saying what is wrong."""
    if "://" in text:
        raise _bad_route(text, "it has a scheme")
    host, slash, rest = text.partition("/")
    path = (slash + rest).rstrip("/")
    host = host.lower().removesuffix(".")
    if ":" in host or not is_host(host.removeprefix("*.")) or len(text) > _ROUTE_CHARACTERS:
        raise _bad_route(text, "it begins with no host name")
    if path and (not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise _bad_route(text, "its path is none")
    if f"{path}/".startswith(f"{RESERVED}/"):
        raise _bad_route(text, f"{RESERVED} is the gateway's own")
    return Route(host, path or "/")


def parse_selector(text: str) -> Selector:
    """Reads a kind, or ``cookie:NAME`` and ``header:NAME``. Raises ``malformed``."""
    kind, colon, name = text.partition(":")
    if kind not in tuple(SelectorKind):
        raise malformed(f"{text!r} is no selector", hint=f"it is one of {', '.join(SelectorKind)}")
    selector = Selector(SelectorKind(kind), name if colon else None)
    named = selector.kind in (SelectorKind.COOKIE, SelectorKind.HEADER)
    if named != bool(colon) or (colon and not _FIELD.fullmatch(name)):
        hint = f"write {kind}:NAME" if named else f"write {kind} alone"
        raise malformed(f"{text!r} is no selector", hint=hint)
    return selector


def _bad_route(text: str, why: str) -> PenstockError:
    return malformed(
        f"{text!r} is no route: {why}", hint="write HOST or HOST/PATH, for example shop.example.com/cart"
    )
