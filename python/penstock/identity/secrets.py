"""Tokens and agent secrets: 32 random bytes, of which only the SHA-256 is kept.

A slow hash would add nothing: unlike passwords they cannot be guessed.
"""

import hashlib
import hmac
import secrets

TOKEN_PREFIX = "pst_"  # noqa: S105 - names the kind of secret, is none
AGENT_PREFIX = "psa_"
SERVICE_PREFIX = "pss_"


class RandomSecrets:
    """Mints secrets and knows their digests. The prefixes let secret scanners find them."""

    def token(self) -> str:
        """A user's token, or the one-time token of the set-up."""
        return TOKEN_PREFIX + secrets.token_urlsafe(32)

    def agent_secret(self) -> str:
        """The secret in an agent's key."""
        return AGENT_PREFIX + secrets.token_urlsafe(32)

    def service_key(self) -> str:
        """A service account's key."""
        return SERVICE_PREFIX + secrets.token_urlsafe(32)

    def digest(self, secret: str) -> str:
        """SHA-256 in hex."""
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

    def matches(self, secret: str, digest: str) -> bool:
        """Whether this is the secret of that digest, in constant time."""
        return hmac.compare_digest(self.digest(secret), digest)
