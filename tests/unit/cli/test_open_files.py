"""The limit of open files."""

import resource

import pytest
from penstock.cli.open_files import raise_open_files


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 20_000), [(20_000, 20_000)]),
        ((20_000, 20_000), []),
        ((1024, resource.RLIM_INFINITY), []),
    ],
)
def test_the_soft_limit_becomes_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: list[tuple[int, int]]
) -> None:
    """Where there is one, and only if it differs."""
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: taken.append(limits))
    raise_open_files()
    assert taken == after
