"""Keeps finished recordings: one folder a day, one file a session."""

import asyncio
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.recording import Head
from penstock.proof.recording import SEALS
from penstock.recordings.seals import Seals

SUFFIX = ".rec"

Compress = Callable[[Path, Path], None]
"""Writes what the first path holds to the second, compressed, synced and read back. Raises ``OSError``."""


class RecordingFolders:
    """``live`` holds what is being recorded; ``kept`` holds ``YYYY/MM/DD/ID.rec`` of what is finished."""

    def __init__(self, live: Path, kept: Path, seals: Seals, compress: Compress) -> None:
        self._live = live
        self._kept = kept
        self._seals = seals
        self._compress = compress

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
        """Signs a finished recording and keeps it, compressed; None if there is no file.

        Done again it goes on where a crash ended it. Raises ``recorder`` if it cannot be signed or kept; the
        live file is then still there.
        """
        source, target = self.live_path(session_id), self._kept_path(session_id, started_at)
        try:
            if head is not None and await asyncio.to_thread(source.exists):
                await self._seals.close(await asyncio.to_thread(_sealed, source, target), head)
            return await asyncio.to_thread(self._take_in, source, target)
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

    def _take_in(self, source: Path, target: Path) -> Path | None:
        """The live file is the last to go: until then a crash leaves everything to the next attempt."""
        if source.exists():
            _make_folders(target.parent)
            with _partial(target) as copy:
                self._compress(source, copy)
                # The seals first: a recording in its place has them beside it.
                _move(source.with_suffix(SEALS), target.with_suffix(SEALS))
                copy.rename(target)
            _sync(target.parent)
            source.unlink()
            _sync(source.parent)
        return target if target.exists() else None


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _sealed(source: Path, target: Path) -> Path:
    """Beside which of the two the seals are: they may have moved before a crash."""
    moved = target.with_suffix(SEALS).exists() and not source.with_suffix(SEALS).exists()
    return target if moved else source


def _move(source: Path, target: Path) -> None:
    """Moves the seals; across file systems only a copy that was read back and is the same takes the name."""
    if not source.exists():
        return
    _sync(source)
    try:
        source.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with _partial(target) as copy:
            _copy(source, copy)
            copy.rename(target)
        _sync(target.parent)
        source.unlink()
    _sync(target.parent)
    _sync(source.parent)


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """Where to write what will be renamed to ``target``. A crash leaves it there, to be written anew.

    Nobody else writes it meanwhile: a session is live until its end is noted, and recovery leaves it alone.
    """
    path = target.with_name(f"{target.name}.part")
    try:
        yield path
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as writer:
        os.fchmod(writer.fileno(), 0o600)
        shutil.copyfileobj(reader, writer, 1 << 20)
        writer.flush()
        os.fsync(writer.fileno())
    if _digest(target) != _digest(source):
        raise OSError(errno.EIO, "the copy differs from the recording's seals")


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
