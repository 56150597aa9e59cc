"""PEM as settings give it: the text, base64 of it, or the path of a file."""

from pathlib import Path

from penstock.domain.pem import decode_pem

_FILE_BYTES = 1 << 20
# Base64 of PEM begins with none of these.
_PATHS = ("/", "./", "../", "~")


def read_pem(value: str) -> str:
    """The PEM text. Raises ``ValueError``, which names the file but none of its content."""
    if not value.startswith(_PATHS):
        return decode_pem(value)
    path = Path(value.strip()).expanduser()
    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES).decode("ascii")
    except OSError as error:
        raise ValueError(f"names the file {path}, which cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"names the file {path}, which is not PEM") from None
    try:
        return decode_pem(text)
    except ValueError as error:
        raise ValueError(f"names the file {path}, which {error}") from None
