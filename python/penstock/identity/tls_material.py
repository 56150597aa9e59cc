"""The certificate and key that an operator configures, checked before anything listens."""

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from penstock.domain.certificate import PeerCertificate
from penstock.domain.errors import PenstockError, Side, malformed
from penstock.identity.leaf import describe, host_names
from penstock.identity.pki import ServerIdentity


def configured_identity(cert_pem: str, key_pem: str, ca_pem: str | None) -> ServerIdentity:
    """``TLS_CERT`` and ``TLS_KEY``, with ``TLS_CA`` at the chain's end.

    Raises ``malformed`` naming the setting that is wrong.
    """
    chain = _certificates("TLS_CERT", cert_pem)
    authorities = _certificates("TLS_CA", ca_pem) if ca_pem else []
    try:
        key = serialization.load_pem_private_key(key_pem.encode(), password=None)
    except (ValueError, TypeError) as error:
        raise _bad("TLS_KEY", f"is not a PEM private key without a passphrase: {error}") from None
    if key.public_key() != chain[0].public_key():
        raise _bad("TLS_KEY", "is not the key of the first certificate in TLS_CERT")
    tail = [authority for authority in authorities if authority not in chain]
    pems = [c.public_bytes(serialization.Encoding.PEM).decode("ascii") for c in [*chain, *tail]]
    return ServerIdentity(chain_pem="".join(pems), key_pem=key_pem, ca_pem=None)


def configured_hosts(chain_pem: str) -> tuple[str, ...]:
    """The hosts that ``TLS_CERT`` is for. Raises ``malformed`` as above."""
    return host_names(_certificates("TLS_CERT", chain_pem)[0])


def configured_peer(chain_pem: str) -> PeerCertificate:
    """What ``TLS_CERT`` says of the agent that holds it. Raises ``malformed`` if it names nobody."""
    try:
        return describe(_certificates("TLS_CERT", chain_pem)[0])
    except ValueError as error:
        raise _bad("TLS_CERT", f"is no agent's certificate: {error}") from None


def _certificates(setting: str, pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise _bad(setting, f"holds no usable certificate: {error}") from None


def _bad(setting: str, what: str) -> PenstockError:
    error = malformed(f"{setting} {what}", hint="give the PEM, or base64 of it: base64 -w0 FILE")
    error.side = Side.GATEWAY
    return error
