"""PEM, which environment variables carry as it is or as base64."""

import base64
import binascii


def decode_pem(value: str) -> str:
    """The PEM text of ``value``. Raises ``ValueError`` if it is neither PEM nor base64 of it."""
    text = value.strip()
    if "-----BEGIN " not in text:
        try:
            text = base64.b64decode("".join(text.split()), validate=True).decode("ascii").strip()
        except (binascii.Error, UnicodeDecodeError):
            raise ValueError("is neither PEM nor base64 of PEM") from None
    if "-----BEGIN " not in text:
        raise ValueError("holds no PEM block (-----BEGIN ...)")
    return text + "\n"
