"""Routes: where requests go."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, model_validator

from penstock.domain.addresses import is_host
from penstock.egress.part import Part
from penstock.egress.paths import Path
from penstock.egress.values import (
    HeaderName,
    Json,
    Methods,
    Name,
    OptionalDuration,
    OptionalSize,
    Patterns,
    Ports,
    Written,
    token,
)

_SCHEMES = ("http", "https", "h2c")
_PLACES = ("host", "host_header", "host_template")
_FORWARD_ONLY = (*_PLACES[1:], "body_bytes", "scheme", "version", "set_headers")
_FORWARDS = ("host", "terminate_connect", "timeout")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,4096}")


def upstream_url(value: str) -> str:
    """Reads ``http://HOST:PORT``, ``https://`` or ``h2c://``. Raises ``ValueError``."""
    parts = urlsplit(value)
    plain = not (parts.username or parts.password or parts.path.strip("/") or parts.query or parts.fragment)
    if parts.scheme not in _SCHEMES or not parts.hostname or not is_host(parts.hostname) or not plain:
        raise ValueError(f"{value!r} is not http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT")
    _ = parts.port  # raises ValueError if it is no port
    return value.rstrip("/")


def _header_conditions(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return [_header(str(name), wanted) for name, wanted in value.items()]


def _header(name: str, wanted: Any) -> Json:  # noqa: ANN401 - a value of the file
    match wanted:
        case bool():
            said: Json = {"invert": not wanted}
        case str():
            said = {"value": wanted}
        case {"regex": str() as regex, **more} if not more:
            said = {"value": regex, "regex": True}
        case {"not": str() as other, **more} if not more:
            said = {"value": other, "invert": True}
        case _:
            raise ValueError(
                f'the header {name!r} wants a text, true, false, {{ regex = "..." }} or {{ not = "..." }}'
            )
    return {"name": token(name), "value": None, "regex": False, "invert": False, **said}


def _set_header(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise ValueError("a header's value is one line of up to 4096 characters")
    return value


class Route(Part):
    """One route: its conditions, all of which must hold, and what is done. Without a deed it forwards."""

    name: Name | None = None
    """What it is called in logs and errors. Unset: `route-1`, `route-2`, ..."""
    domains: Patterns = []
    """The requested host: patterns as in a rule."""
    ports: Ports = []
    """The requested port."""
    path: Path = None
    """The path: `"/PREFIX"`, `{ exact = "/PATH" }` or `{ regex = "..." }`. A CONNECT has none."""
    methods: Methods = []
    """Methods."""
    headers: Annotated[list[Json], BeforeValidator(_header_conditions), Written("table")] = []
    """Headers: `name = "value"`, `true`, `false`, `{ regex = "..." }` or `{ not = "..." }`."""
    connect: bool | None = None
    """`true`: only CONNECT. `false`: anything else."""

    deny: str | None = None
    """Answers 403 with this reason."""
    upstream: Annotated[str, AfterValidator(upstream_url)] | None = None
    """Forwards to `http://HOST:PORT`, `https://...` or `h2c://...`, whatever was asked for."""
    host: str | None = None
    """Forwards to this `HOST` or `HOST:PORT`; with `upstream`: the `Host` that it sees."""
    host_header: HeaderName | None = None
    """Forwards to what this header says."""
    host_template: str | None = None
    """Forwards to what this text becomes: `{{ header("x-region") }}.example.com`."""
    body_bytes: OptionalSize = None
    """Lets `host_template` use fields of a JSON body of up to so many bytes: `{{ order.region }}`."""
    scheme: Literal["request", "http", "https"] = "request"
    """How to speak to the destination."""
    version: Literal["auto", "http1", "http2"] = "auto"
    """Which HTTP to speak to the destination."""
    set_headers: dict[HeaderName, Annotated[str, AfterValidator(_set_header)]] = {}
    """Headers that are set before it is forwarded."""
    terminate_connect: bool = True
    """Whether a CONNECT becomes a raw tunnel. If not, it is refused."""
    timeout: OptionalDuration = None
    """Replaces `timeouts.response`; 0 for none."""

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        written = self.model_fields_set
        if self.deny is not None and written & {"upstream", *_FORWARDS, *_FORWARD_ONLY}:
            raise ValueError("a route that denies does nothing else")
        if self.upstream is not None and written & set(_FORWARD_ONLY):
            raise ValueError("a route with an upstream has no other destination, and sets no headers")
        if sum(getattr(self, place) is not None for place in _PLACES) > 1:
            raise ValueError("the destination stands in one place: host, host_header or host_template")
        if self.body_bytes is not None and self.host_template is None:
            raise ValueError("body_bytes is for host_template")
        return self

    def numbered(self, number: int) -> Json:
        """As the core reads it, with a name."""
        conditions = super().compiled()
        keys = ("domains", "ports", "path", "methods", "headers", "connect")
        when = {key: conditions[key] for key in keys}
        return {"name": self.name or f"route-{number}", "match": when, "act": self._act()}

    def _act(self) -> Json:
        if self.deny is not None:
            return {"kind": "deny", "reason": self.deny}
        both = {"terminate_connect": self.terminate_connect, "timeout_ms": self.timeout}
        if self.upstream is not None:
            return {"kind": "upstream", "url": self.upstream, "host": self.host, **both}
        more = {"scheme": self.scheme, "version": self.version, "set_headers": self.set_headers}
        return {"kind": "forward", "host": self._source(), **more, **both}

    def _source(self) -> Json:
        if self.host is not None:
            return {"from": "literal", "value": self.host}
        if self.host_header is not None:
            return {"from": "header", "name": self.host_header}
        if self.host_template is not None:
            return {"from": "template", "template": self.host_template, "body_bytes": self.body_bytes}
        return {"from": "request"}
