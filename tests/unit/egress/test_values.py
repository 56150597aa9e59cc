"""How single values are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.egress import values


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("250ms", 250),
        ("5s", 5000),
        ("1h30m", 5_400_000),
        ("1.5s", 1500),
        ("1d", 86_400_000),
        (0, 0),
        ("0", 0),
    ],
)
def test_durations_have_units(text: object, milliseconds: int) -> None:
    assert values.duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "5", 5, True, False, "5 s", "s", "-1s", "1s junk", "1e3s", None, "20000d", "1,5s"]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        values.duration_ms(text)


def test_some_durations_are_longer_than_nothing() -> None:
    with pytest.raises(ValueError, match="longer than 0"):
        values.some_duration_ms("0")


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert values.duration_ms(text) >= 0
    except ValueError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("text", "count"), [("64KiB", 65_536), ("10MB", 10_000_000), ("1 GiB", 2**30), (7, 7)]
)
def test_sizes_have_units(text: object, count: int) -> None:
    assert values.size_bytes(text) == count


@pytest.mark.parametrize("text", ["64kib", "KiB", -1, True, "1.5MB", 2.5, None])
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        values.size_bytes(text)


def test_ports_are_numbers_and_ranges() -> None:
    assert values.port_range(443) == {"first": 443, "last": 443}
    assert values.port_range("8000-8100") == {"first": 8000, "last": 8100}


@pytest.mark.parametrize("text", [0, 65536, "9-8", "-1", "1-", "a", True, 1.5, "1-2-3"])
def test_what_is_no_port_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        values.port_range(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "example.com", ""])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a network"):
        values.network(text)


@pytest.mark.parametrize("text", ["https://a", "a/b", "a@b", "", "bücher.example", "a b"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        values.pattern(text)


def test_hashes_are_not_keys() -> None:
    assert values.digest("sha256:" + "AB" * 32) == "ab" * 32
    with pytest.raises(ValueError) as caught:
        values.digest("pse_secret")
    assert "pse_secret" not in str(caught.value)


def test_names_are_what_basic_credentials_can_say() -> None:
    assert values.name("nightly build") == "nightly build"
    with pytest.raises(ValueError, match="colon"):
        values.name("a:b")
