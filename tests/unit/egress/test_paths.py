"""Conditions on paths."""

import pytest
from penstock.egress.paths import read_path


def test_a_text_is_the_beginning_of_a_path() -> None:
    assert read_path("/api/") == {"prefix": "/api/"}
    assert read_path({"exact": "/"}) == {"exact": "/"}
    assert read_path({"regex": ".*"}) == {"regex": ".*"}


@pytest.mark.parametrize(
    "value", ["api", "", {"exact": "x"}, {"exact": "/", "prefix": "/"}, {"glob": "/*"}, {}, 5, None]
)
def test_what_is_none_is_refused(value: object) -> None:
    with pytest.raises(ValueError):
        read_path(value)
