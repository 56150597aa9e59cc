"""The system's clock."""

from datetime import UTC

from penstock.clock import SystemClock


def test_time_is_utc_and_does_not_run_backwards_between_two_calls() -> None:
    clock = SystemClock()
    first = clock.now()
    assert first.tzinfo is UTC
    assert clock.now() >= first
