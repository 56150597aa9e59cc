"""Text from elsewhere made harmless."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.cli.text import clean, show, size, when


@pytest.mark.parametrize(
    ("evil", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"),
        ("\x90q\x9c", "\\x90q\\x9c"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("user\u202etxt", "user\\u202etxt"),
        ("\u2028", "\\u2028"),
        ("\udc80", "\\udc80"),
        ("\U000e0001", "\\U000e0001"),
        ("Łódź 日本 ok", "Łódź 日本 ok"),
    ],
)
def test_controls_become_visible(evil: str, shown: str) -> None:
    assert clean(evil) == shown


def test_lines_may_stay_lines() -> None:
    assert clean("SELECT\n\t1\r\x1b", newlines=True) == "SELECT\n\t1\\r\\x1b"


@given(st.text(), st.booleans())
def test_nothing_unsafe_is_ever_left(text: str, newlines: bool) -> None:
    left = {
        unicodedata.category(character)
        for character in clean(text, newlines=newlines).replace("\n", "").replace("\t", "")
    }
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_values_for_people() -> None:
    assert [show(value) for value in (None, True, ["a", "b"], {"k": "v"}, [], 3)] == [
        "-",
        "yes",
        "a, b",
        "k=v",
        "-",
        "3",
    ]
    assert [size(count) for count in (None, 0, 1023, 1536, 5 << 30)] == [
        "-",
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 GiB",
    ]
    assert when("not a time\x1b") == "not a time\\x1b"
    assert when(None) == "-"
