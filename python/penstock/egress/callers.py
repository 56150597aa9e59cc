"""Who may call, and how they prove it."""

from datetime import UTC, date, datetime

from penstock.egress.part import Part
from penstock.egress.values import Digests, Json, Networks, Texts


class Caller(Part):
    """One caller. Any one of its keys, certificates and networks proves it."""

    groups: Texts = []
    """Its groups."""
    keys: Digests = []
    """Hashes of its keys, as `penstock egress key NAME` prints them."""
    certificates: Texts = []
    """Names in its client certificate, which a port with `tls.client_ca` has checked."""
    networks: Networks = []
    """Networks from which it comes: its address is then proof enough."""
    expires: datetime | date | None = None
    """When it ends; UTC where no offset is written."""

    def known_as(self, name: str) -> Json:
        """As the core reads it."""
        return {
            "name": name,
            "groups": self.groups,
            "keys": self.keys,
            "certificates": self.certificates,
            "networks": self.networks,
            "expires_at": None if self.expires is None else _epoch(self.expires),
        }


def _epoch(moment: datetime | date) -> int:
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day, tzinfo=UTC)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
