"""Keys of callers: 32 random bytes, of which the configuration holds the SHA-256 alone.

A slow hash would add nothing: unlike passwords they cannot be guessed.
"""

import hashlib
import secrets

PREFIX = "pse_"
"""Lets secret scanners find them."""


def new_key() -> tuple[str, str]:
    """A key, and its hash as the configuration says it."""
    key = PREFIX + secrets.token_urlsafe(32)
    return key, f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
