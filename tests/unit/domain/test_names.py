"""What things may be called."""

import uuid

import pytest
from penstock.domain.errors import PenstockError
from penstock.domain.names import check_email, check_name, check_password


def test_names_are_safe_in_urls_paths_and_shells() -> None:
    assert check_name("an agent", "prod-db_1.eu") == "prod-db_1.eu"
    for bad in ("", "-x", "a/b", "a b", "ä", "a" * 64, ".."):
        with pytest.raises(PenstockError, match="cannot be the name of an agent"):
            check_name("an agent", bad)


def test_a_name_does_not_look_like_an_identifier() -> None:
    with pytest.raises(PenstockError):
        check_name("a connection", str(uuid.uuid4()))


def test_emails_are_compared_in_lower_case() -> None:
    assert check_email("Me@Example.COM") == "me@example.com"
    for bad in ("", "me", "@x", "me@", "a b@c", "a@b@c", "a@b\n", "a" * 65 + "@b"):
        with pytest.raises(PenstockError):
            check_email(bad)


def test_passwords_are_neither_short_nor_endless() -> None:
    assert check_password("12345678") == "12345678"
    for bad in ("1234567", "x" * 1025):
        with pytest.raises(PenstockError) as refused:
            check_password(bad)
        assert bad not in str(refused.value)
