"""The gateway's key for recordings."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from penstock.domain.errors import internal
from penstock.identity.private_files import write_private

_HINT = "restore it from a backup; with a new key the old recordings need the old public key"


def signing_key(path: Path) -> Ed25519PrivateKey:
    """Reads the key; made on first use, PEM, 0600. Raises ``internal`` if the file holds no such key."""
    if not path.exists():
        made = Ed25519PrivateKey.generate()
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise internal(f"{path} holds no key: {error}", hint=_HINT) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise internal(f"{path} is not an Ed25519 key", hint=_HINT)
    return key
