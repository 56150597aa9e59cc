"""Encrypts secrets at rest with Fernet (AES-128-CBC and HMAC-SHA-256)."""

from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from penstock.domain.errors import PenstockError, internal
from penstock.identity.private_files import write_private


class FernetBox:
    """Seals with the first key and opens with any, so that keys can be rotated by putting a new one first."""

    def __init__(self, keys: list[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def from_file(cls, path: Path) -> "FernetBox":
        """Reads the keys, one a line; makes the file (0600) with a new key if there is none.

        Raises ``internal`` if the file holds no valid key.
        """
        if not path.exists():
            write_private(path, Fernet.generate_key() + b"\n")
        try:
            return cls(path.read_bytes().split())
        except (OSError, ValueError) as error:
            raise _bad_key(path, str(error)) from None

    def seal(self, plain: str) -> str:
        """The text, encrypted and authenticated."""
        return self._fernet.encrypt(plain.encode()).decode("ascii")

    def open(self, sealed: str) -> str:
        """The text again. Raises ``internal`` if no key fits."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise internal(
                "a secret in the store cannot be decrypted",
                hint="restore the secret.key that belongs to this store",
            ) from None


def _bad_key(path: Path, why: str) -> PenstockError:
    return internal(
        f"{path} holds no valid key: {why}", hint="restore the secret.key that belongs to this store"
    )
