"""Who a peer of the engine has proven to be (``Principal`` in ``crates/domain/src/decider.rs``)."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AgentPrincipal:
    """An agent, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class UserPrincipal:
    """A user, by identifier and e-mail; ``token`` is the token's identifier, never the token."""

    id: str
    name: str
    token: str


@dataclass(frozen=True, slots=True)
class WorkerPrincipal:
    """A worker of an app, by the name in its certificate."""

    name: str
    app: str


Principal = AgentPrincipal | UserPrincipal | WorkerPrincipal


@dataclass(frozen=True, slots=True)
class AgentCredential:
    """An agent's key."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateCredential:
    """A certificate that the handshake has proven: the leaf's names, and the SHA-256 of its DER in hex."""

    names: tuple[str, ...]
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A user's token."""

    token: str = field(repr=False)


Credential = AgentCredential | CertificateCredential | TokenCredential
