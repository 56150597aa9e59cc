"""``/api/certificates``: those that are revoked."""

from datetime import datetime

from pydantic import Field

from penstock.api.permission import Permission
from penstock.api.route import CurrentIdentity, Endpoint
from penstock.api.shape import Body, Shape
from penstock.domain.certificate import RevokedCertificate
from penstock.services.certificates import Certificates, Revocation


class RevocationBody(Body):
    """A certificate to revoke. ``fingerprint`` is the SHA-256 of its DER in hex."""

    fingerprint: str = Field(max_length=128)
    name: str | None = Field(None, max_length=253)
    reason: str = Field("", max_length=1024)


class RevokedCertificateShape(Shape):
    """A certificate that opens no link any more."""

    fingerprint: str
    name: str | None
    reason: str
    revoked_at: datetime
    revoked_by: str

    @classmethod
    def of(cls, revoked: RevokedCertificate) -> "RevokedCertificateShape":
        """Its shape."""
        return cls(
            fingerprint=revoked.fingerprint,
            name=revoked.name,
            reason=revoked.reason,
            revoked_at=revoked.revoked_at,
            revoked_by=revoked.revoked_by,
        )


class CertificateResource:
    """Certificates are found by fingerprint."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        admin, every, one = Permission.ADMIN, "/api/certificates", "/api/certificates/{fingerprint}"
        return [
            Endpoint(
                method="GET",
                path=every,
                call=self.list,
                permission=admin,
                answers=list[RevokedCertificateShape],
            ),
            Endpoint(
                method="POST",
                path=every,
                call=self.revoke,
                permission=admin,
                answers=RevokedCertificateShape,
                status=201,
            ),
            Endpoint(method="DELETE", path=one, call=self.restore, permission=admin, status=204),
        ]

    async def list(self) -> list[RevokedCertificateShape]:
        """Those that are revoked, newest first."""
        return [RevokedCertificateShape.of(revoked) for revoked in await self._certificates.list()]

    async def revoke(self, body: RevocationBody, identity: CurrentIdentity) -> RevokedCertificateShape:
        """Its links end at once, and it opens no other."""
        new = Revocation(body.fingerprint, body.name, body.reason)
        return RevokedCertificateShape.of(await self._certificates.revoke(identity, new))

    async def restore(self, fingerprint: str, identity: CurrentIdentity) -> None:
        """It may open links again."""
        await self._certificates.restore(identity, fingerprint)
