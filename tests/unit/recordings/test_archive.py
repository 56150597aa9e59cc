"""Recordings are kept, whatever happens on the way."""

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from penstock.clock import SystemClock
from penstock.domain.errors import Code, PenstockError
from penstock.domain.recording import Head
from penstock.engine.recordings import compress_recording
from penstock.proof.recording import SEALS
from penstock.recordings.archive import Compress, RecordingFolders
from penstock.recordings.seals import Seals

pytestmark = pytest.mark.anyio
DAY = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
ID = str(uuid.UUID(int=7))
HEAD = Head(3, "beef")
EVENTS = b"events" * 100_000


class CrashError(BaseException):
    """The process is gone: nobody catches that."""


@pytest.fixture
def folders(tmp_path: Path) -> RecordingFolders:
    """Empty ones."""
    return _folders(tmp_path)


async def test_a_finished_recording_moves_to_its_day(folders: RecordingFolders, tmp_path: Path) -> None:
    folders.live_path(ID).write_bytes(EVENTS)
    assert await folders.locate(ID, DAY) == folders.live_path(ID)
    kept = await folders.keep(ID, DAY, HEAD)
    assert kept == _kept(tmp_path) == tmp_path / "kept" / "2026" / "01" / "31" / f"{ID}.rec"
    assert kept.stat().st_size < len(EVENTS) // 10
    assert _content(kept) == EVENTS
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not folders.live_path(ID).exists()
    assert await folders.locate(ID, DAY) == kept
    assert await folders.keep(ID, DAY, HEAD) == kept, "moving twice is moving once"
    assert _names(kept.parent) == {f"{ID}.rec", f"{ID}.seals"}


async def test_what_is_not_there_is_none(folders: RecordingFolders) -> None:
    assert await folders.keep(ID, DAY, HEAD) is None
    assert await folders.locate(ID, DAY) is None


async def test_a_crash_before_any_step_loses_nothing(tmp_path: Path) -> None:
    """Then the live recording is there or the kept one is, whole; and the next attempt finishes the work."""
    steps = 0
    while await _crashed_before(steps, tmp_path / str(steps)):
        steps += 1
    assert steps > 10


async def _crashed_before(number: int, home: Path) -> bool:
    key = Ed25519PrivateKey.generate()
    folders = _folders(home, key)
    folders.live_path(ID).write_bytes(EVENTS)
    await folders.checkpoint({ID: Head(2, "ebb")})
    crashed = False
    with pytest.MonkeyPatch.context() as patch:
        try:
            await _folders(home, key, _crash_before(number, patch)).keep(ID, DAY, HEAD)
        except CrashError:
            crashed = True
    found = await folders.locate(ID, DAY)
    assert found is not None
    assert (found.read_bytes() if found == folders.live_path(ID) else _content(found)) == EVENTS
    if folders.live_path(ID).exists():
        assert await folders.left_behind() == [ID]
        assert await _folders(home, key).keep(ID, DAY, HEAD) == _kept(home)
    assert _content(_kept(home)) == EVENTS
    assert _names(home / "live") == set()
    assert _names(_kept(home).parent) == {f"{ID}.rec", f"{ID}.seals"}
    kinds = [json.loads(line)["kind"] for line in _kept(home).with_suffix(SEALS).read_text().splitlines()]
    assert kinds[0] == "checkpoint" and set(kinds[1:]) == {"final"}
    return crashed


def _crash_before(number: int, patch: pytest.MonkeyPatch) -> Compress:
    """Counts what changes the disk; the process ends before one of them, or in the midst of compressing."""
    left = iter(range(number))

    def step() -> None:
        if next(left, None) is None:
            raise CrashError

    def counted(function: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            step()
            return function(*arguments, **options)

        return run

    for name in ("mkdir", "rename", "unlink"):
        patch.setattr(Path, name, counted(getattr(Path, name)))
    patch.setattr(os, "fsync", counted(os.fsync))

    def compress(source: Path, target: Path) -> None:
        step()
        target.write_bytes(b"\x28\xb5\x2f\xfd half of it")
        step()
        compress_recording(source, target)

    return compress


async def test_a_full_disk_leaves_the_live_recording(tmp_path: Path) -> None:
    def full(_source: Path, target: Path) -> None:
        target.write_bytes(b"as far as it went")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folders = _folders(tmp_path, compress=full)
    folders.live_path(ID).write_bytes(EVENTS)
    with pytest.raises(PenstockError, match="No space left on device") as refused:
        await folders.keep(ID, DAY, HEAD)
    assert refused.value.code is Code.RECORDER and refused.value.hint
    assert folders.live_path(ID).read_bytes() == EVENTS
    assert _names(_kept(tmp_path).parent) == set()
    assert await _folders(tmp_path).keep(ID, DAY, HEAD) == _kept(tmp_path)


async def test_a_kept_recording_that_was_put_back_is_kept_again(
    folders: RecordingFolders, tmp_path: Path
) -> None:
    folders.live_path(ID).write_bytes(zstandard.compress(EVENTS))
    assert await folders.keep(ID, DAY, HEAD) == _kept(tmp_path)
    assert _content(_kept(tmp_path)) == EVENTS


async def test_one_that_is_damaged_stays_where_it_is(folders: RecordingFolders, tmp_path: Path) -> None:
    folders.live_path(ID).write_bytes(zstandard.compress(EVENTS)[:-1])
    with pytest.raises(PenstockError, match="the compressed file is cut") as refused:
        await folders.keep(ID, DAY, HEAD)
    assert refused.value.code is Code.RECORDER
    assert folders.live_path(ID).exists()
    assert _names(_kept(tmp_path).parent) == set()


async def test_across_file_systems_seals_are_copied_and_compared(
    folders: RecordingFolders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders.live_path(ID).write_bytes(EVENTS)
    _no_rename_from(folders.live_path(ID).with_suffix(SEALS), monkeypatch)
    assert await folders.keep(ID, DAY, HEAD) == _kept(tmp_path)
    seals = _kept(tmp_path).with_suffix(SEALS)
    assert json.loads(seals.read_bytes())["kind"] == "final"
    assert seals.stat().st_mode & 0o777 == 0o600
    assert _names(tmp_path / "live") == set()


async def test_a_copy_that_differs_leaves_the_original(
    folders: RecordingFolders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folders.live_path(ID).write_bytes(EVENTS)
    seals = folders.live_path(ID).with_suffix(SEALS)
    _no_rename_from(seals, monkeypatch)
    monkeypatch.setattr(shutil, "copyfileobj", lambda _reader, writer, _size: writer.write(b"evenxs"))
    with pytest.raises(PenstockError) as refused:
        await folders.keep(ID, DAY, HEAD)
    assert refused.value.code is Code.RECORDER
    assert _names(tmp_path / "live") == {f"{ID}.rec", f"{ID}.seals"}
    assert _names(_kept(tmp_path).parent) == set()


async def test_only_sessions_files_are_left_behind(folders: RecordingFolders) -> None:
    live = folders.live_path(ID).parent
    for name in (f"{ID}.rec", "notes.rec", f"{uuid.UUID(int=8)}.tmp", f"{ID.replace('-', '')}.rec"):
        (live / name).write_text("")
    assert await folders.left_behind() == [ID]


def _folders(
    home: Path, key: Ed25519PrivateKey | None = None, compress: Compress = compress_recording
) -> RecordingFolders:
    for name in ("live", "kept"):
        (home / name).mkdir(parents=True, exist_ok=True)
    seals = Seals(key or Ed25519PrivateKey.generate(), home / "kept", SystemClock())
    return RecordingFolders(home / "live", home / "kept", seals, compress)


def _kept(home: Path) -> Path:
    return home / "kept" / "2026" / "01" / "31" / f"{ID}.rec"


def _content(kept: Path) -> bytes:
    """As anybody else would read it."""
    return zstandard.ZstdDecompressor().decompressobj().decompress(kept.read_bytes())


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _no_rename_from(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def across(self: Path, target: Path) -> Path:
        if self == source:
            raise OSError(errno.EXDEV, "another file system")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", across)
