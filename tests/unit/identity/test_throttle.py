"""Guessing passwords is slow."""

from datetime import timedelta

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.identity.throttle import FailedLogins, FailureWindow

from tests.unit.world import ManualClock


def _refused(throttle: FailedLogins, email: str, peer: str) -> bool:
    try:
        throttle.check(email, peer)
    except PenstockError as error:
        assert error.code is Code.LIMITED
        assert error.hint
        return True
    return False


def test_an_email_is_throttled_from_everywhere_until_the_window_has_passed() -> None:
    clock = ManualClock()
    throttle = FailedLogins(clock, per_email=3, per_peer=100)
    for number in range(3):
        assert not _refused(throttle, "a", "p")
        throttle.failed("a", f"p{number}")
    assert _refused(throttle, "a", "another")
    assert not _refused(throttle, "b", "p1")
    clock.turn(minutes=5)
    assert not _refused(throttle, "a", "p")


def test_a_peer_is_throttled_for_every_email_and_success_does_not_clear_it() -> None:
    throttle = FailedLogins(ManualClock(), per_email=100, per_peer=3)
    for number in range(3):
        throttle.failed(f"user{number}", "p")
    throttle.succeeded("mine", "p")
    assert _refused(throttle, "other", "p")
    assert not _refused(throttle, "other", "q")


def test_success_clears_the_email() -> None:
    throttle = FailedLogins(ManualClock(), per_email=2, per_peer=100)
    throttle.failed("a", "p")
    throttle.succeeded("a", "p")
    throttle.failed("a", "p")
    assert not _refused(throttle, "a", "p")


def test_memory_is_bounded_by_forgetting_the_oldest() -> None:
    window = FailureWindow(ManualClock(), allowed=1, window=timedelta(minutes=1), keys=3)
    for key in range(5):
        window.failed(key)
    assert [window.retry_after(key) is not None for key in range(5)] == [False, False, True, True, True]
    for _ in range(100):
        window.failed(4)
    with pytest.raises(PenstockError):
        _exhaust()


def _exhaust() -> None:
    throttle = FailedLogins(ManualClock(), per_email=1)
    throttle.failed("a", "p")
    throttle.check("a", "p")
