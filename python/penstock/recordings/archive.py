"""Keeps finished recordings: one folder a day, one file a session."""

import asyncio
import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.recording import Head
from penstock.proof.recording import SEALS
from penstock.recordings.seals import Seals

SUFFIX = ".rec"


class RecordingFolders:
    """``live`` holds what is being recorded; ``kept`` holds ``YYYY/MM/DD/ID.rec`` of what is finished."""

    def __init__(self, live: Path, kept: Path, seals: Seals) -> None:
        self._live = live
        self._kept = kept
        self._seals = seals

    def live_path(self, session_id: str) -> Path:
        """Where the engine records a live session."""
        return self._live / f"{session_id}{SUFFIX}"

    async def locate(self, session_id: str, started_at: datetime) -> Path | None:
        """Where the recording is now: kept or live; None if there is no file."""
        candidates = (self._kept_path(session_id, started_at), self.live_path(session_id))
        return await asyncio.to_thread(lambda: next((path for path in candidates if path.exists()), None))

    def public_key(self) -> str:
        """What proves the signatures of recordings, in PEM."""
        return self._seals.public_key()

    async def checkpoint(self, heads: Mapping[str, Head]) -> None:
        """Signs how far the recordings of live sessions have come."""
        await self._seals.checkpoint({self.live_path(session): head for session, head in heads.items()})

    async def keep(self, session_id: str, started_at: datetime, head: Head | None) -> Path | None:
        """Signs a finished recording and moves it to its place, durably; None if there is no file.

        Raises ``recorder`` if it cannot be signed or moved; the live file is then still there.
        """
        source, target = self.live_path(session_id), self._kept_path(session_id, started_at)
        try:
            if head is not None and await asyncio.to_thread(source.exists):
                await self._seals.close(source, head)
            # The seals first: a recording in its place has them beside it.
            await asyncio.to_thread(_move, source.with_suffix(SEALS), target.with_suffix(SEALS))
            return await asyncio.to_thread(_move, source, target)
        except OSError as error:
            raise PenstockError(
                Code.RECORDER,
                Side.GATEWAY,
                f"the recording of session {session_id} stays in {self._live}: {error.strerror or error}",
                hint=f"make room in {self._kept}; it is moved when the gateway starts again",
            ) from error

    async def left_behind(self) -> Sequence[str]:
        """The sessions whose recordings lie where live ones do. Other files are left alone."""
        paths = await asyncio.to_thread(lambda: sorted(self._live.glob(f"*{SUFFIX}")))
        return [path.stem for path in paths if _is_uuid(path.stem)]

    def _kept_path(self, session_id: str, started_at: datetime) -> Path:
        return self._kept / started_at.astimezone(UTC).strftime("%Y/%m/%d") / f"{session_id}{SUFFIX}"


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _move(source: Path, target: Path) -> Path | None:
    if not source.exists():
        return target if target.exists() else None
    _make_folders(target.parent)
    _sync(source)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_over(source, target)
        source.unlink()
    _sync(target.parent)
    _sync(source.parent)
    return target


def _copy_over(source: Path, target: Path) -> None:
    """Across file systems: only a copy that was read back and is the same takes the name."""
    partial = target.with_suffix(".part")
    try:
        with source.open("rb") as reader, partial.open("wb") as writer:
            os.fchmod(writer.fileno(), 0o600)
            shutil.copyfileobj(reader, writer, 1 << 20)
            writer.flush()
            os.fsync(writer.fileno())
        if _digest(partial) != _digest(source):
            raise OSError(errno.EIO, "the copy differs from the recording")
        partial.rename(target)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise
    _sync(target.parent)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _make_folders(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
