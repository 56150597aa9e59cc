"""Tokens and agent secrets."""

import hashlib

from penstock.identity.secrets import RandomSecrets


def test_secrets_are_long_different_and_recognisable() -> None:
    secrets = RandomSecrets()
    tokens = {secrets.token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("pst_") and len(token) == 47 for token in tokens)
    assert secrets.agent_secret().startswith("psa_")


def test_only_the_secret_matches_its_digest() -> None:
    secrets = RandomSecrets()
    token = secrets.token()
    digest = secrets.digest(token)
    assert digest == hashlib.sha256(token.encode()).hexdigest()
    assert secrets.matches(token, digest)
    assert not secrets.matches(token + "x", digest)
    assert not secrets.matches("\ud800", digest)
