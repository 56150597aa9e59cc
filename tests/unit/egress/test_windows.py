"""Spans of the week."""

import pytest
from penstock.egress.windows import read_window


def test_days_hours_and_offset() -> None:
    assert read_window("mon-fri 08:00-18:30 +01:00") == {
        "days": ["mon", "tue", "wed", "thu", "fri"],
        "from_minute": 480,
        "to_minute": 1110,
        "utc_offset_minutes": 60,
    }


def test_without_days_it_is_every_day_in_utc() -> None:
    assert read_window("22:00-06:00") == {
        "days": [],
        "from_minute": 1320,
        "to_minute": 360,
        "utc_offset_minutes": 0,
    }


def test_days_are_listed_and_go_over_the_weekend() -> None:
    assert read_window("sat-mon,wed 00:00-24:00 -05:30") == {
        "days": ["sat", "sun", "mon", "wed"],
        "from_minute": 0,
        "to_minute": 1440,
        "utc_offset_minutes": -330,
    }


@pytest.mark.parametrize(
    "text",
    ["", "08:00", "8:00-9:00", "24:00-25:00", "08:60-09:00", "foo 08:00-09:00", "mon 08:00-09:00 CET", 5],
)
def test_what_is_none_is_refused(text: object) -> None:
    with pytest.raises(ValueError):
        read_window(text)
