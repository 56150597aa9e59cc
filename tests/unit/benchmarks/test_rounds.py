"""Rounds compare neighbours in time, and one failure does not end them."""

from collections.abc import Mapping

from benchmarks.measure.figure import Figure, MeasureError
from benchmarks.measure.rounds import Row, chosen, rounds
from benchmarks.measure.way import Way

A, B = Way("a", ()), Way("b", ())


def silent(_text: str) -> None:
    pass


def test_a_row_is_over_before_the_next_and_every_second_round_goes_backwards() -> None:
    asked: list[tuple[str, str]] = []

    def row(name: str) -> Row[Way]:
        def measure(way: Way) -> Mapping[str, float]:
            asked.append((name, way.name))
            return {"/s": 1.0}

        return Row(name, measure)

    found = rounds([row("x"), row("y")], [A, B], 2, silent)
    first = [("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")]
    second = [("x", "b"), ("x", "a"), ("y", "b"), ("y", "a")]
    assert asked == first + second
    assert found.figures[0] == Figure("x", "/s", "a", 0, 1.0)
    assert not found.failures


def test_a_failure_is_told_and_the_others_go_on() -> None:
    def measure(way: Way) -> Mapping[str, float]:
        if way is A:
            raise MeasureError("no answer")
        return {"/s": 2.0}

    found = rounds([Row("x", measure)], [A, B], 1, silent)
    assert [figure.way for figure in found.figures] == ["b"]
    assert found.failures == ["x, a, round 1: no answer"]


def test_a_row_is_not_asked_of_a_way_that_it_does_not_apply_to() -> None:
    row: Row[Way] = Row("x", lambda _way: {"/s": 1.0}, lambda way: way is B)
    assert [figure.way for figure in rounds([row], [A, B], 1, silent).figures] == ["b"]


def test_rows_are_chosen_by_part_of_their_names() -> None:
    rows: list[Row[Way]] = [Row(name, lambda _way: {}) for name in ("GET 1 KiB", "CONNECT", "1 GiB")]
    assert [row.name for row in chosen(rows, ["GiB", "CONN"])] == ["CONNECT", "1 GiB"]
    assert chosen(rows, []) == rows
