"""Recordings behind their façade."""

from pathlib import Path

import pytest
import zstandard
from penstock.domain.errors import Code, PenstockError
from penstock.engine.recordings import Recordings, compress_recording, read_recording, verify_recording


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


def test_a_compressed_copy_is_a_frame_that_others_decode(tmp_path: Path) -> None:
    source, target = tmp_path / "x.rec", tmp_path / "y.rec"
    source.write_bytes(b"garbage" * 100_000)
    target.write_bytes(b"what a crash has left" * 1000)
    target.chmod(0o600)
    compress_recording(source, target)
    frame = target.read_bytes()
    assert zstandard.get_frame_parameters(frame).has_checksum
    assert zstandard.ZstdDecompressor().decompressobj().decompress(frame) == source.read_bytes()
    assert verify_recording(target, None) == verify_recording(source, None)
    target.write_bytes(frame[:-1])
    assert "not a recording" in verify_recording(target, None)["fault"]["what"]
    compress_recording(source, tmp_path / "z.rec")
    assert (tmp_path / "z.rec").stat().st_mode & 0o777 == 0o600


def test_a_copy_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "x.rec"
    source.write_bytes(b"garbage" * 100)
    with pytest.raises(OSError, match="No space left on device"):
        compress_recording(source, Path("/dev/full"))
    with pytest.raises(FileNotFoundError):
        compress_recording(tmp_path / "nothing.rec", tmp_path / "y.rec")
    with pytest.raises(FileNotFoundError):
        compress_recording(source, tmp_path / "nowhere" / "y.rec")
