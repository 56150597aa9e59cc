"""What protects destinations, callers and this machine from too much."""

from typing import Annotated

from pydantic import Field

from penstock.egress.part import FilePath, Part, PemFile
from penstock.egress.values import HOUR, MINUTE, SECOND, Duration, Json, Networks, Size, SomeDuration

Count = Annotated[int, Field(ge=0, le=2**32 - 1)]
Amount = Annotated[int, Field(ge=1, le=10_000_000)]


class Guard(Part):
    """Which resolved addresses may be dialled: public ones, and what is allowed here."""

    allow: Networks = []
    """Networks that may be dialled although they are not public. Metadata addresses are named exactly."""
    deny: Networks = []
    """Networks that are never dialled; stronger than `allow`."""


class RetryBudget(Part):
    """Repetitions as a share of the requests under way."""

    percent: Annotated[int, Field(ge=0, le=100)] = 20
    """The share."""
    min_concurrency: Count = 3
    """So many are always allowed."""


class Thresholds(Part):
    """How much at once; what comes beyond is answered 503 without touching the destination."""

    connections: Count = 1024
    """Connections, tunnels among them."""
    pending: Count = 1024
    """Requests that wait for a connection."""
    requests: Count = 1024
    """Requests and tunnels under way."""
    retries: Count = 3
    """Repetitions under way."""
    retry_budget: RetryBudget | None = None
    """Replaces `retries` by a share of the requests."""
    track_remaining: bool = False
    """Whether statistics show what remains."""


class Breakers(Part):
    """Circuit breakers."""

    overall: Thresholds = Thresholds()
    """For all destinations together."""
    destination: Thresholds = Thresholds()
    """For each destination."""


class Outliers(Part):
    """When an address that fails is left alone. One of each destination is always left."""

    consecutive_failures: Count = 5
    """Failures in a row that eject an address; 0: never."""
    base_ejection: SomeDuration = 30 * SECOND
    """How long the first time."""
    max_ejection: SomeDuration = 5 * MINUTE
    """How long at the most."""


class Retries(Part):
    """How often a request is repeated that is safe to repeat."""

    attempts: Annotated[int, Field(ge=0, le=100)] = 1
    """Repetitions after the first attempt."""
    base: SomeDuration = 25
    """The first pause; it doubles, with jitter."""
    max: SomeDuration = 250
    """The longest pause."""


class Timeouts(Part):
    """How long each step may take."""

    connect: SomeDuration = 5 * SECOND
    """Until a destination accepts, over all its addresses."""
    attempt_delay: SomeDuration = 250
    """Between attempts at two addresses of one destination."""
    tls: SomeDuration = 10 * SECOND
    """TLS to a destination."""
    response: Duration = 60 * SECOND
    """From the whole request to the head of the answer; 0: any time."""
    request: Duration = 0
    """For a request as a whole, its answer's body included; 0: any time."""
    idle: Duration = 5 * MINUTE
    """For which no byte of a request or an answer moves; 0: any time."""
    tunnel_idle: Duration = HOUR
    """For which no byte of a tunnel moves; 0: any time."""
    client_hello: SomeDuration = 10 * SECOND
    """From the answer to CONNECT to the ClientHello, where one is required."""
    pool_idle: Duration = 60 * SECOND
    """For which a connection to a destination is kept for the next request."""


class Limits(Part):
    """What bounds callers and memory."""

    connections: Amount = 10_000
    """Connections of callers at once, on each listener."""
    handshake: SomeDuration = 10 * SECOND
    """For each of handshake and request head, in whole seconds."""
    header_fields: Annotated[int, Field(ge=16, le=10_000)] = 100
    """Header fields of a request or an answer."""
    header_bytes: Annotated[Size, Field(ge=8_192, le=1_048_576)] = 65_536
    """The size of their list."""
    streams: Amount = 100
    """HTTP/2 streams of a caller's connection at once."""
    resets_per_minute: Amount = 1000
    """HTTP/2 streams that a caller may reset on one connection in a minute."""
    pool_idle_connections: Count = 256
    """Idle connections kept for each destination; they make room before a breaker opens."""
    destinations: Amount = 10_000
    """Destinations whose breakers are tracked at once."""
    series: Count = 100
    """Destinations with series of their own in metrics; the rest is summed as `other`."""
    counters: Amount = 100_000
    """Callers and destinations whose rates and budgets are tracked at once."""

    def compiled(self) -> Json:
        """As the core reads it."""
        shape = super().compiled()
        handshake = shape.pop("handshake_ms")
        return {**shape, "handshake_seconds": -(-handshake // 1000)}


class UpstreamTls(Part):
    """Whom to believe when the proxy itself speaks TLS to a destination."""

    roots: PemFile | None = None
    """The roots. Unset: the system's."""

    def compiled(self) -> Json:
        """As the core reads it."""
        return {"roots_pem": self.roots}


class AccessLog(Part):
    """One JSON line for each request and tunnel."""

    enabled: bool = True
    """Whether it is written."""
    path: FilePath | None = None
    """A file to append to. Unset: standard output."""
    queue: Amount = 8192
    """Lines that may wait for the disk; what comes when it is full is counted as lost."""
