"""Reading recordings."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from penstock import _core
from penstock.domain.recording import Fault, Head, Summary, Verification
from penstock.domain.session import SessionStatus
from penstock.engine.errors import core_errors

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read_recording(path: Path) -> Iterator[str]:
    """One JSON object per event, statements merged with their completion. Raises at the first bad record."""
    with core_errors():
        yield from _core.read_recording(str(path))


def verify_recording(path: Path, head: str | None) -> dict[str, Any]:
    """``ok``, ``records``, ``ended``, ``head`` and ``fault`` (``record``, ``offset``, ``what``) of a file."""
    with core_errors():
        result: dict[str, Any] = json.loads(_core.verify_recording(str(path), head))
    return result


def recording_heads(path: Path, numbers: Sequence[int]) -> dict[int, str]:
    """The hashes in hex of the records with these numbers, as far as the recording holds."""
    with core_errors():
        return _core.recording_heads(str(path), set(numbers))


def compress_recording(source: Path, target: Path) -> None:
    """Writes a compressed copy of a recording that is over; it is on the disk and was read back.

    Raises ``OSError`` if that fails: ``target`` may then be there in part.
    """
    _core.compress_recording(str(source), str(target))


class Recordings:
    """Implements the ``RecordingReader`` port."""

    def replay(self, path: Path) -> Iterator[str]:
        """One JSON object per event."""
        return read_recording(path)

    def report(self, path: Path, head: str | None) -> dict[str, Any]:
        """What :func:`verify_recording` says."""
        return verify_recording(path, head)

    def heads(self, path: Path, numbers: Sequence[int]) -> dict[int, str]:
        """What :func:`recording_heads` says."""
        return recording_heads(path, numbers)

    def verify(self, path: Path, head: str | None) -> Verification:
        """Whether the chain holds and ends in ``head``."""
        shape = verify_recording(path, head)
        fault = shape["fault"]
        return Verification(
            ok=shape["ok"],
            records=shape["records"],
            ended=shape["ended"],
            head=shape["head"],
            fault=None if fault is None else Fault(fault["record"], fault["offset"], fault["what"]),
        )

    def summarise(self, path: Path) -> Summary:
        """What the file says of its session, as far as it goes."""
        with core_errors():
            shape = json.loads(_core.summarise_recording(str(path)))
        return Summary(
            session=shape["session"],
            connection=shape["connection"],
            protocol=shape["protocol"],
            principal=shape["principal"],
            started_at=_EPOCH + timedelta(microseconds=shape["started_at"]),
            last_at=_EPOCH + timedelta(microseconds=shape["last_at"]),
            statements=shape["statements"],
            ended=shape["ended"],
            head=Head(shape["records"], shape["head"]),
            status=None if shape.get("status") is None else SessionStatus(shape["status"]),
            reason=shape.get("reason"),
            client_bytes=shape.get("client_bytes") or 0,
            upstream_bytes=shape.get("upstream_bytes") or 0,
        )
