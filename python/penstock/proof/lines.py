"""JSON objects, one a line, each signed with Ed25519 (RFC 8032)."""

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SIGNATURE = "signature"


class ForgedError(ValueError):
    """A line that the key has not signed, for the purpose that it stands for."""


def signed(key: Ed25519PrivateKey, purpose: str, body: Mapping[str, Any]) -> bytes:
    """The object with its signature, as a line. A signature for one purpose is none for another."""
    signature = base64.b64encode(key.sign(_message(purpose, body))).decode("ascii")
    return json.dumps({**body, SIGNATURE: signature}, sort_keys=True).encode() + b"\n"


def opened(key: Ed25519PublicKey, purpose: str, line: bytes) -> dict[str, Any]:
    """The object of a line, without its signature. Raises :class:`ForgedError`."""
    try:
        body = json.loads(line)
        signature = base64.b64decode(body.pop(SIGNATURE), validate=True)
        key.verify(signature, _message(purpose, body))
    except (ValueError, KeyError, AttributeError, TypeError, binascii.Error, InvalidSignature):
        raise ForgedError("it is not signed with this key") from None
    return dict(body)


def public_key(pem: bytes) -> Ed25519PublicKey:
    """The key of a PEM file. Raises ``ValueError`` if it holds none."""
    key = load_pem_public_key(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("it is not an Ed25519 key")
    return key


def _message(purpose: str, body: Mapping[str, Any]) -> bytes:
    """Canonical: sorted members, no white space."""
    return f"penstock {purpose}\n{json.dumps(body, sort_keys=True, separators=(',', ':'))}".encode()
