"""Instants in the store."""

from datetime import UTC, datetime, timedelta, timezone

from penstock.store.schema import from_micros, to_micros


def test_instants_are_exact_to_the_microsecond() -> None:
    for micros in (0, 1, 999_999, 1_700_000_000_123_457, 4_102_444_800_000_001):
        assert to_micros(from_micros(micros)) == micros
    local = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert from_micros(to_micros(local)) == datetime(2026, 1, 1, tzinfo=UTC)
