"""Figures become a table: medians over the rounds, and ratios within a round."""

import pytest

from benchmarks.measure.figure import Figure
from benchmarks.measure.table import lines, number, ratio, render, value


def figures(way: str, *values: float, row: str = "GET", unit: str = "/s") -> list[Figure]:
    return [Figure(row, unit, way, at, value) for at, value in enumerate(values)]


def test_a_ratio_is_the_median_of_the_ratios_of_rounds() -> None:
    # The machine was half as fast in the second round; the ratio does not see it.
    own = [*figures("base", 100, 50, 100), *figures("way", 200, 100, 190)]
    assert ratio(own, "way", "base") == 2.0


def test_a_round_without_the_base_has_no_ratio() -> None:
    own = [Figure("GET", "/s", "base", 1, 10), *figures("way", 5, 20)]
    assert ratio(own, "way", "base") == 2.0
    assert ratio(figures("way", 5), "way", "base") is None


def test_a_base_of_nothing_has_no_ratio() -> None:
    assert ratio([*figures("base", 0), *figures("way", 5)], "way", "base") is None


def test_a_way_is_told_by_its_median() -> None:
    assert value(figures("way", 1, 9, 2), "way") == 2
    assert value(figures("way", 1), "other") is None


def test_lines_keep_the_order_of_the_questions() -> None:
    found = lines(
        [*figures("a", 1, row="second"), *figures("a", 1, row="first"), *figures("b", 1, row="second")]
    )
    assert list(found) == [("second", "/s"), ("first", "/s")]
    assert [figure.way for figure in found["second", "/s"]] == ["a", "b"]


def test_the_table_has_every_way_even_one_without_a_figure() -> None:
    table = render(
        [*figures("base", 1000), *figures("way", 1500)], ["base", "way", "lost"], "base"
    ).splitlines()
    assert table[0].split() == ["base", "way", "lost"]
    assert table[1].split() == ["GET:", "/s", "1,000", "1,500", "(1.50)", "-"]


@pytest.mark.parametrize(
    ("value", "text"), [(1234567.8, "1,234,568"), (-250.2, "-250"), (12.34, "12.3"), (1.234, "1.23")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text
