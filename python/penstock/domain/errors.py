"""One catalogue of what can go wrong, who caused it, and what to do about it.

The codes and sides are those of ``crates/domain/src/error.rs``; a test compares the two.
"""

from enum import StrEnum


class Code(StrEnum):
    """What went wrong."""

    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    LIMITED = "limited"
    AGENT_OFFLINE = "agent-offline"
    TARGET_DENIED = "target-denied"
    UPSTREAM_UNREACHABLE = "upstream-unreachable"
    UPSTREAM_TIMEOUT = "upstream-timeout"
    UPSTREAM_LOGIN = "upstream-login"
    UPSTREAM_TLS = "upstream-tls"
    MALFORMED = "malformed"
    RECORDER = "recorder"
    KILLED = "killed"
    EXPIRED = "expired"
    DRAINING = "draining"
    LOST = "lost"
    INTERNAL = "internal"


class Side(StrEnum):
    """Who caused an error."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"
    AGENT = "agent"
    POLICY = "policy"


STATUS: dict[Code, int] = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.NOT_FOUND: 404,
    Code.CONFLICT: 409,
    Code.LIMITED: 429,
    Code.AGENT_OFFLINE: 503,
    Code.TARGET_DENIED: 403,
    Code.UPSTREAM_UNREACHABLE: 502,
    Code.UPSTREAM_TIMEOUT: 504,
    Code.UPSTREAM_LOGIN: 502,
    Code.UPSTREAM_TLS: 502,
    Code.MALFORMED: 400,
    Code.RECORDER: 503,
    Code.KILLED: 403,
    Code.EXPIRED: 403,
    Code.DRAINING: 503,
    Code.LOST: 502,
    Code.INTERNAL: 500,
}
"""The HTTP status that carries each code (design §4)."""

TITLE: dict[Code, str] = {
    Code.UNAUTHENTICATED: "Not authenticated",
    Code.FORBIDDEN: "Not allowed",
    Code.NOT_FOUND: "Not found",
    Code.CONFLICT: "Conflict",
    Code.LIMITED: "Limit reached",
    Code.AGENT_OFFLINE: "Agent offline",
    Code.TARGET_DENIED: "Target not in the agent's allow-list",
    Code.UPSTREAM_UNREACHABLE: "Upstream unreachable",
    Code.UPSTREAM_TIMEOUT: "Upstream timed out",
    Code.UPSTREAM_LOGIN: "Upstream refused the login",
    Code.UPSTREAM_TLS: "Upstream TLS failed",
    Code.MALFORMED: "Malformed input",
    Code.RECORDER: "Recording failed",
    Code.KILLED: "Session killed",
    Code.EXPIRED: "Session expired",
    Code.DRAINING: "Shutting down",
    Code.LOST: "Connection lost",
    Code.INTERNAL: "Internal error",
}
"""A short phrase for people for each code."""


class PenstockError(Exception):
    """An error with its code, its side, what was wrong, and what to do.

    ``message`` and ``hint`` are shown to people: never a secret, never a statement's text.
    """

    def __init__(self, code: Code, side: Side, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.side = side
        self.message = message
        self.hint = hint

    def __repr__(self) -> str:
        return f"PenstockError({self.code}, {self.side}, {self.message!r})"

    def as_json(self) -> dict[str, str]:
        """The error as ``crates/domain`` reads and writes it."""
        shape = {"code": str(self.code), "side": str(self.side), "message": self.message}
        return shape if self.hint is None else {**shape, "hint": self.hint}


def malformed(message: str, *, hint: str | None = None) -> PenstockError:
    """What the client sent is not what it should be."""
    return PenstockError(Code.MALFORMED, Side.CLIENT, message, hint=hint)


def not_found(what: str, name: str, *, hint: str | None = None) -> PenstockError:
    """There is no ``what`` of that name, or this principal may not know of it."""
    return PenstockError(Code.NOT_FOUND, Side.CLIENT, f"there is no {what} {name!r}", hint=hint)


def conflict(message: str, *, hint: str | None = None) -> PenstockError:
    """It exists already, or its state does not admit this."""
    return PenstockError(Code.CONFLICT, Side.CLIENT, message, hint=hint)


def unauthenticated(message: str, *, hint: str = "log in: penstock login") -> PenstockError:
    """The credential is missing, wrong, expired or revoked."""
    return PenstockError(Code.UNAUTHENTICATED, Side.CLIENT, message, hint=hint)


def forbidden(message: str, *, hint: str | None = None) -> PenstockError:
    """The principal is known and may not do this."""
    return PenstockError(Code.FORBIDDEN, Side.POLICY, message, hint=hint)


def internal(message: str, *, hint: str | None = "see the gateway's log") -> PenstockError:
    """A fault of ours."""
    return PenstockError(Code.INTERNAL, Side.GATEWAY, message, hint=hint)
