"""Recordings are kept, whatever happens on the way."""

import errno
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from penstock.clock import SystemClock
from penstock.domain.errors import Code, PenstockError
from penstock.domain.recording import Head
from penstock.recordings.archive import RecordingFolders
from penstock.recordings.seals import Seals

pytestmark = pytest.mark.anyio
DAY = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
ID = str(uuid.UUID(int=7))
HEAD = Head(3, "beef")


@pytest.fixture
def folders(tmp_path: Path) -> RecordingFolders:
    """Empty ones."""
    (tmp_path / "live").mkdir()
    (tmp_path / "kept").mkdir()
    return RecordingFolders(tmp_path / "live", tmp_path / "kept", _seals(tmp_path))


async def test_a_finished_recording_moves_to_its_day(folders: RecordingFolders, tmp_path: Path) -> None:
    folders.live_path(ID).write_bytes(b"events")
    assert await folders.locate(ID, DAY) == folders.live_path(ID)
    kept = await folders.keep(ID, DAY, HEAD)
    assert kept == tmp_path / "kept" / "2026" / "01" / "31" / f"{ID}.rec"
    assert kept.read_bytes() == b"events"
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert not folders.live_path(ID).exists()
    assert await folders.locate(ID, DAY) == kept
    assert await folders.keep(ID, DAY, HEAD) == kept, "moving twice is moving once"


async def test_what_is_not_there_is_none(folders: RecordingFolders) -> None:
    assert await folders.keep(ID, DAY, HEAD) is None
    assert await folders.locate(ID, DAY) is None


async def test_across_file_systems_it_is_copied_and_compared(
    folders: RecordingFolders, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.live_path(ID).write_bytes(b"events" * 100_000)
    _no_rename_from(folders.live_path(ID), monkeypatch)
    kept = await folders.keep(ID, DAY, HEAD)
    assert kept is not None
    assert kept.read_bytes() == b"events" * 100_000
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not folders.live_path(ID).exists()


async def test_a_copy_that_differs_leaves_the_original(
    folders: RecordingFolders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders.live_path(ID).write_bytes(b"events")
    _no_rename_from(folders.live_path(ID), monkeypatch)
    monkeypatch.setattr(shutil, "copyfileobj", lambda _reader, writer, _size: writer.write(b"evenxs"))
    with pytest.raises(PenstockError) as refused:
        await folders.keep(ID, DAY, HEAD)
    assert refused.value.code is Code.RECORDER
    assert folders.live_path(ID).read_bytes() == b"events"
    assert not list((tmp_path / "kept").rglob("*.rec"))


async def test_only_sessions_files_are_left_behind(folders: RecordingFolders) -> None:
    live = folders.live_path(ID).parent
    for name in (f"{ID}.rec", "notes.rec", f"{uuid.UUID(int=8)}.tmp", f"{ID.replace('-', '')}.rec"):
        (live / name).write_text("")
    assert await folders.left_behind() == [ID]


def _seals(folder: Path) -> Seals:
    return Seals(Ed25519PrivateKey.generate(), folder / "kept", SystemClock())


def _no_rename_from(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if self == source:
            raise OSError(errno.EXDEV, "another file system")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
