"""One gateway per home."""

from pathlib import Path

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.identity.home_lock import home_lock


def test_a_home_is_locked_while_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "gateway.lock"
    with home_lock(path):
        with pytest.raises(PenstockError, match="another gateway") as refused, home_lock(path):
            raise AssertionError("two hold the lock")
        assert refused.value.code is Code.CONFLICT
    with home_lock(path):
        assert path.stat().st_mode & 0o777 == 0o600
