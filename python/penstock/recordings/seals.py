"""Signs recordings: seals beside them, and the ledger of all that are over."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from penstock.domain.ports import Clock
from penstock.domain.recording import Head
from penstock.proof.ledger import NAME, Tail
from penstock.proof.lines import signed
from penstock.proof.recording import SEALS
from penstock.proof.seal import CHECKPOINT, FINAL, SEAL, Seal

# Longer than any line.
_LINE_BYTES = 64 * 1024


class Seals:
    """Writes what ``penstock sessions verify --key`` reads. Everything is on the disk when a call returns."""

    def __init__(self, key: Ed25519PrivateKey, folder: Path, clock: Clock) -> None:
        self._key = key
        self._ledger = folder / NAME
        self._clock = clock
        self._turn = asyncio.Lock()
        self._tail: Tail | None = None
        self._sealed: dict[str, int] = {}

    def public_key(self) -> str:
        """The public half, in PEM."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")

    async def checkpoint(self, heads: Mapping[Path, Head]) -> None:
        """Signs how far live recordings have come; those that have not moved since are passed over."""
        for path, head in heads.items():
            # Meanwhile the session may be over, and its recording elsewhere.
            if self._sealed.get(path.stem) != head.records and await asyncio.to_thread(path.exists):
                await asyncio.to_thread(self._seal, path, self._at(path.stem, CHECKPOINT, head))
                self._sealed[path.stem] = head.records

    async def close(self, path: Path, head: Head) -> None:
        """Signs a recording that is over, and enters it into the ledger. Harmless when done twice."""
        seal = self._at(path.stem, FINAL, head)
        self._sealed.pop(path.stem, None)
        await asyncio.to_thread(self._seal, path, seal)
        async with self._turn:
            # After a failure the ledger itself says where it stands.
            known, self._tail = self._tail, None
            self._tail = await asyncio.to_thread(self._enter, seal, known)

    def _at(self, session: str, kind: str, head: Head) -> Seal:
        return Seal(session, kind, head.records, head.hash, self._clock.now().isoformat())

    def _seal(self, path: Path, seal: Seal) -> None:
        _append(path.with_suffix(SEALS), signed(self._key, SEAL, seal.as_body()))

    def _enter(self, seal: Seal, known: Tail | None) -> Tail:
        line, tail = (known or _tail(self._ledger)).next(self._key, seal)
        _append(self._ledger, line)
        return tail


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        file.truncate(_whole(file))
        file.seek(0, os.SEEK_END)
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _whole(file: BinaryIO) -> int:
    """Where the last whole line ends. What a crash or a full disk has torn was never relied on."""
    size = file.seek(0, os.SEEK_END)
    start = max(size - _LINE_BYTES, 0)
    file.seek(start)
    return start + file.read().rfind(b"\n") + 1


def _tail(ledger: Path) -> Tail:
    """Where the ledger stands."""
    tail = Tail()
    if ledger.exists():
        with ledger.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    tail = tail.after(line)
    return tail
