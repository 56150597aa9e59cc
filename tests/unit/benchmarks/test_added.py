"""Latencies are what a way adds to the direct path of the same round."""

from benchmarks.measure.added import DIRECT, added
from benchmarks.measure.figure import Figure


def test_latencies_are_added_to_the_direct_path_and_rates_stay() -> None:
    figures = [
        Figure("GET", "p50 µs", DIRECT, 0, 20.0),
        Figure("GET", "p50 µs", "proxy", 0, 70.0),
        Figure("GET", "p50 µs", DIRECT, 1, 30.0),
        Figure("GET", "p50 µs", "proxy", 1, 60.0),
        Figure("GET", "/s", "proxy", 0, 9.0),
    ]
    assert added(figures) == [
        Figure("GET", "p50 µs added", "proxy", 0, 50.0),
        Figure("GET", "p50 µs added", "proxy", 1, 30.0),
        Figure("GET", "/s", "proxy", 0, 9.0),
    ]


def test_a_latency_that_has_no_direct_path_stays() -> None:
    figure = Figure("CONNECT", "p99 µs", "proxy", 0, 70.0)
    assert added([figure]) == [figure]
