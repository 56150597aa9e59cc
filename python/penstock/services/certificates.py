"""Certificates: whose they are, and taking them back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from penstock.domain.certificate import RevokedCertificate, parse_fingerprint
from penstock.domain.errors import Code, PenstockError, Side, not_found
from penstock.domain.ports import AgentRepository, AppRepository, Clock, Engine, RevocationRepository
from penstock.domain.principal import AgentPrincipal, CertificateCredential, WorkerPrincipal
from penstock.domain.user import Identity

_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate to revoke; ``name`` is for people."""

    fingerprint: str
    name: str | None
    reason: str


class CertificateGate:
    """Knows the agent, or the worker of an app, by the leaf that it has proven to hold."""

    def __init__(
        self, agents: AgentRepository, apps: AppRepository, revocations: RevocationRepository, clock: Clock
    ) -> None:
        self._agents = agents
        self._apps = apps
        self._revocations = revocations
        self._clock = clock
        self._log = structlog.get_logger("penstock.services.certificates")

    async def identify(
        self, credential: CertificateCredential, peer: str
    ) -> AgentPrincipal | WorkerPrincipal:
        """Whose it is. Raises ``unauthenticated`` if it is revoked, nobody's, or more than one's."""
        revoked = await self._revocations.get(credential.fingerprint)
        found = await self._holders(credential.names)
        if revoked is not None or len(found) != 1:
            error = _revoked(revoked) if revoked is not None else _nobodys(credential.names, found)
            self._log.warning(
                "certificate refused",
                names=credential.names[:_SHOWN_NAMES],
                fingerprint=credential.fingerprint,
                peer=peer,
                why=error.message,
            )
            raise error
        (holder,) = found.values()
        if isinstance(holder, AgentPrincipal):
            await self._agents.seen([holder.name], self._clock.now())
        return holder

    async def _holders(self, names: Sequence[str]) -> dict[str, AgentPrincipal | WorkerPrincipal]:
        """Those that one of these names is of, by what they are called to people."""
        found: dict[str, AgentPrincipal | WorkerPrincipal] = {
            f"agent {name}": AgentPrincipal(name) for name in await self._agents.named_by(names)
        }
        for name, app in await self._apps.served_by(names):
            found.setdefault(f"app {app}", WorkerPrincipal(name, app))
        return found


class Certificates:
    """Admins revoke certificates."""

    def __init__(self, revocations: RevocationRepository, clock: Clock, engine: Engine) -> None:
        self._revocations = revocations
        self._clock = clock
        self._engine = engine
        self._log = structlog.get_logger("penstock.services.certificates")

    async def list(self) -> Sequence[RevokedCertificate]:
        """Those that are revoked, newest first."""
        return await self._revocations.list()

    async def revoke(self, actor: Identity, new: Revocation) -> RevokedCertificate:
        """Takes effect at once: its links end. Revoked before, it stays as it was.

        Raises ``malformed`` if it names no fingerprint.
        """
        by, at = actor.user.email, self._clock.now()
        revoked = RevokedCertificate(parse_fingerprint(new.fingerprint), new.name, new.reason, at, by)
        if await self._revocations.add(revoked):
            self._log.info("certificate revoked", actor=by, name=new.name, fingerprint=revoked.fingerprint)
        # In this order: whoever asks from here on is denied.
        self._engine.end_certificate(revoked.fingerprint)
        return await self._revocations.get(revoked.fingerprint) or revoked

    async def restore(self, actor: Identity, fingerprint: str) -> None:
        """It may open links again. Raises ``not-found`` if it was not revoked."""
        known = parse_fingerprint(fingerprint)
        if not await self._revocations.delete(known):
            raise not_found("revoked certificate", known, hint="list them: penstock pki list")
        self._log.info("certificate restored", actor=actor.user.email, fingerprint=known)


def _revoked(revoked: RevokedCertificate) -> PenstockError:
    day = revoked.revoked_at.date().isoformat()
    return _refusal(f"the certificate was revoked on {day}", "issue another: penstock pki issue NAME")


def _nobodys(names: Sequence[str], found: Iterable[str]) -> PenstockError:
    if holders := ", ".join(sorted(found)):
        return _refusal(
            f"the certificate is of more than one: {holders}", "issue one for each: penstock pki issue NAME"
        )
    shown = ", ".join(map(repr, names[:_SHOWN_NAMES]))
    return _refusal(
        f"no agent has a certificate named {shown}, and no app's worker",
        "penstock admin create agent NAME --certificate-name CERTIFICATE (or app, --worker CERTIFICATE)",
    )


def _refusal(message: str, hint: str) -> PenstockError:
    return PenstockError(Code.UNAUTHENTICATED, Side.AGENT, message, hint=hint)
