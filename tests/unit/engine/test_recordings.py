"""Recordings behind their façade."""

from pathlib import Path

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.engine.recordings import Recordings, read_recording, verify_recording


def test_a_file_that_is_no_recording_fails_every_reading(tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(b"garbage" * 100)
    assert not verify_recording(path, None)["ok"]
    verification = Recordings().verify(path, None)
    assert not verification.ok
    assert verification.fault is not None
    assert verification.fault.what
    with pytest.raises(PenstockError):
        list(Recordings().replay(path))
    with pytest.raises(PenstockError):
        Recordings().summarise(path)


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(PenstockError) as refused:
        list(read_recording(tmp_path / "nothing.rec"))
    assert refused.value.code is Code.NOT_FOUND
