"""What a load balancer leaves of sessions is told beside what it leaves of an echo."""

from benchmarks.measure.added import DIRECT
from benchmarks.measure.figure import Figure
from benchmarks.proxied.floor import UNIT, shares


def test_the_shares_that_are_left_are_divided() -> None:
    sessions = [Figure("8 clients", "/s", DIRECT, 0, 1000.0), Figure("8 clients", "/s", "nginx", 0, 600.0)]
    echoes = [Figure("8 clients", "/s", DIRECT, 0, 50.0), Figure("8 clients", "/s", "nginx", 0, 40.0)]
    [found] = shares(sessions, echoes, (DIRECT, "nginx", "Envoy"))
    assert (found.row, found.unit, found.way) == ("8 clients: /s", UNIT, "nginx")
    assert abs(found.value - 0.75) < 1e-9


def test_a_row_that_one_of_them_lacks_is_left_out() -> None:
    sessions = [Figure("1 client", "/s", DIRECT, 0, 9.0), Figure("1 client", "/s", "nginx", 0, 6.0)]
    assert shares(sessions, [], (DIRECT, "nginx")) == []
