"""Slows down whoever guesses passwords."""

from collections import OrderedDict
from collections.abc import Hashable
from datetime import datetime, timedelta

from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.ports import Clock


class FailureWindow:
    """Counts failures per key within a window; the keys that failed least recently are forgotten first."""

    def __init__(self, clock: Clock, *, allowed: int, window: timedelta, keys: int = 10_000) -> None:
        self._clock = clock
        self._allowed = allowed
        self._window = window
        self._keys = keys
        self._failures: OrderedDict[Hashable, list[datetime]] = OrderedDict()

    def retry_after(self, key: Hashable) -> timedelta | None:
        """How long until this key may try again; None if it may now."""
        recent = self._recent(key)
        if len(recent) < self._allowed:
            return None
        return recent[0] + self._window - self._clock.now()

    def failed(self, key: Hashable) -> None:
        """Counts one failure."""
        self._failures[key] = [*self._recent(key), self._clock.now()][-self._allowed :]
        self._failures.move_to_end(key)
        while len(self._failures) > self._keys:
            self._failures.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """Starts anew for this key."""
        self._failures.pop(key, None)

    def _recent(self, key: Hashable) -> list[datetime]:
        since = self._clock.now() - self._window
        return [at for at in self._failures.get(key, ()) if at > since]


class FailedLogins:
    """Ten wrong passwords for an e-mail, or fifty from a peer, within five minutes are enough."""

    def __init__(self, clock: Clock, *, per_email: int = 10, per_peer: int = 50) -> None:
        window = timedelta(minutes=5)
        self._emails = FailureWindow(clock, allowed=per_email, window=window)
        self._peers = FailureWindow(clock, allowed=per_peer, window=window)

    def check(self, email: str, peer: str) -> None:
        """Raises ``limited`` with the seconds to wait."""
        waits = (self._emails.retry_after(email), self._peers.retry_after(peer))
        longest = max((wait for wait in waits if wait is not None), default=None)
        if longest is not None:
            seconds = max(1, int(longest.total_seconds()))
            raise PenstockError(
                Code.LIMITED, Side.CLIENT, "too many failed logins", hint=f"try again in {seconds} seconds"
            )

    def failed(self, email: str, peer: str) -> None:
        """Counts a wrong password."""
        self._emails.failed(email)
        self._peers.failed(peer)

    def succeeded(self, email: str, peer: str) -> None:
        """A right password clears the e-mail; the peer may be guessing at others and keeps its count."""
        self._emails.forget(email)
