"""What was done to recordings shows, with nothing but the public key."""

import errno
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from penstock.clock import SystemClock
from penstock.domain.recording import Head
from penstock.proof.folder import check_folder
from penstock.proof.ledger import NAME
from penstock.proof.lines import ForgedError, opened, public_key, signed
from penstock.proof.recording import SEALS, check_recording
from penstock.recordings.archive import RecordingFolders
from penstock.recordings.seals import Seals

pytestmark = pytest.mark.anyio
DAY = datetime(2026, 1, 31, tzinfo=UTC)
ONE, TWO, THREE = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


class Lines:
    """A chain for tests: each line of a file is a record and its own hash, the first names the session."""

    def report(self, path: Path, head: str | None) -> dict[str, Any]:
        """The last line is the head."""
        lines = path.read_text().split()
        ok = head is None or lines[-1] == head
        fault = None if ok else {"record": len(lines), "offset": 0, "what": "it was rewritten"}
        return {
            "ok": ok,
            "session": lines[0],
            "records": len(lines),
            "ended": True,
            "head": lines[-1],
            "fault": fault,
        }

    def heads(self, path: Path, numbers: Sequence[int]) -> dict[int, str]:
        """The lines with these numbers."""
        return {n: line for n, line in enumerate(path.read_text().split(), 1) if n in numbers}


@dataclass
class Kept:
    """Three kept recordings, and the key."""

    folder: Path
    key: Ed25519PublicKey

    def file(self, session: str) -> Path:
        """The recording of a session."""
        return self.folder / "2026/01/31" / f"{session}.rec"

    def faults(self) -> dict[str, str]:
        """What is wrong, by session."""
        return dict(check_folder(self.folder, self.key, Lines()))

    def fault(self, session: str) -> str:
        """What is wrong with one recording; empty if nothing is."""
        report = check_recording(self.file(session), self.key, Lines())
        return "" if report["ok"] else str(report["fault"]["what"])


@pytest.fixture
async def kept(tmp_path: Path) -> Kept:
    """Each has a checkpoint at its second record, and its seal."""
    live, folder, key = tmp_path / "live", tmp_path / "kept", Ed25519PrivateKey.generate()
    live.mkdir()
    folder.mkdir()
    archive = RecordingFolders(live, folder, Seals(key, folder, SystemClock()), _copy)
    for session in (ONE, TWO, THREE):
        archive.live_path(session).write_text(f"{session} b{session} c{session}")
        await archive.checkpoint({session: Head(2, f"b{session}")})
        await archive.keep(session, DAY, Head(3, f"c{session}"))
    return Kept(folder, public_key(archive.public_key().encode()))


def _copy(source: Path, target: Path) -> None:
    """In the place of a compression: the chain for tests reads lines."""
    shutil.copy(source, target)


async def test_what_nobody_touched_is_proven(kept: Kept) -> None:
    assert kept.faults() == {}
    report = check_recording(kept.file(ONE), kept.key, Lines())
    assert (report["ok"], report["sealed"], report["records"]) == (True, True, 3)


async def test_another_key_proves_nothing(kept: Kept) -> None:
    kept.key = Ed25519PrivateKey.generate().public_key()
    assert "not signed with this key" in kept.fault(ONE)
    assert "line 1 of the ledger" in kept.faults()[""]


async def test_a_rewritten_end_shows(kept: Kept) -> None:
    kept.file(ONE).write_text(f"{ONE} b{ONE} forged")
    assert kept.faults() == {ONE: "it was rewritten"}


async def test_a_rewritten_middle_shows_at_the_checkpoint(kept: Kept) -> None:
    kept.file(ONE).write_text(f"{ONE} forged c{ONE}")
    assert "record 2 is not the one that was signed" in kept.fault(ONE)


async def test_a_swapped_file_shows_with_its_seals_and_without(kept: Kept) -> None:
    shutil.copy(kept.file(TWO), kept.file(ONE))
    assert kept.fault(ONE)
    shutil.copy(kept.file(TWO).with_suffix(SEALS), kept.file(ONE).with_suffix(SEALS))
    assert "swapped or renamed" in kept.fault(ONE)


async def test_a_deleted_session_shows_and_so_does_one_that_was_added(kept: Kept) -> None:
    kept.file(ONE).rename(kept.file("00000000-0000-4000-8000-000000000009"))
    assert kept.faults() == {
        ONE: "its recording was deleted",
        "00000000-0000-4000-8000-000000000009": "the ledger does not know this recording",
    }


async def test_a_line_cannot_be_taken_out_of_the_ledger(kept: Kept) -> None:
    ledger = kept.folder / NAME
    lines = ledger.read_bytes().splitlines(keepends=True)
    ledger.write_bytes(lines[0] + lines[2])
    assert kept.faults()[""] == "line 2 of the ledger does not follow the one before"


async def test_missing_seals_and_a_missing_final_seal_show(kept: Kept) -> None:
    seals = kept.file(ONE).with_suffix(SEALS)
    seals.write_bytes(seals.read_bytes().splitlines(keepends=True)[0])
    assert "final seal is missing" in kept.fault(ONE)
    seals.unlink()
    assert "seals are missing" in kept.fault(ONE)


async def test_the_ledger_goes_on_after_a_restart_and_a_torn_line(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    for session in (ONE, TWO):
        (tmp_path / f"{session}.rec").write_text(f"{session} end")
        await Seals(key, tmp_path, SystemClock()).close(tmp_path / f"{session}.rec", Head(2, "end"))
        with (tmp_path / NAME).open("ab") as ledger:
            ledger.write(b'{"torn": ')
    await Seals(key, tmp_path, SystemClock()).close(tmp_path / f"{TWO}.rec", Head(2, "end"))
    assert list(check_folder(tmp_path, key.public_key(), Lines())) == []


@pytest.mark.parametrize("sound", [0, 1])
async def test_a_torn_seal_goes_and_a_full_disk_leaves_the_ledger_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sound: int
) -> None:
    key = Ed25519PrivateKey.generate()
    seals = Seals(key, tmp_path, SystemClock())
    for session in (ONE, TWO):
        (tmp_path / f"{session}.rec").write_text(f"{session} end")
    (tmp_path / f"{ONE}{SEALS}").write_bytes(b'{"torn": ')
    await seals.close(tmp_path / f"{ONE}.rec", Head(2, "end"))
    with monkeypatch.context() as disk:
        # The seal cannot be written, or the ledger's line after it.
        disk.setattr(os, "fsync", _full_after(sound))
        with pytest.raises(OSError, match="No space"):
            await seals.close(tmp_path / f"{TWO}.rec", Head(2, "end"))
    await seals.close(tmp_path / f"{TWO}.rec", Head(2, "end"))
    assert list(check_folder(tmp_path, key.public_key(), Lines())) == []


async def test_a_recording_that_has_moved_is_not_sealed_where_it_was(tmp_path: Path) -> None:
    await Seals(Ed25519PrivateKey.generate(), tmp_path, SystemClock()).checkpoint(
        {tmp_path / f"{ONE}.rec": Head(1, "x")}
    )
    assert _names(tmp_path) == []


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _full_after(sound: int) -> Callable[[int], None]:
    left = iter(range(sound))

    def sync(_handle: int) -> None:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, "No space left on device")

    return sync


def test_a_signature_is_for_one_purpose_and_one_content() -> None:
    key = Ed25519PrivateKey.generate()
    line = signed(key, "a", {"n": 1})
    assert opened(key.public_key(), "a", line) == {"n": 1}
    for purpose, forged in (("b", line), ("a", line.replace(b"1", b"2")), ("a", b"[]"), ("a", b"\xff")):
        with pytest.raises(ForgedError):
            opened(key.public_key(), purpose, forged)


def test_a_file_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PEM|Ed25519"):
        public_key(b"nothing")
