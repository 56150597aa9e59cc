"""Signs recordings: seals beside them, and the ledger of all that are over."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from penstock.domain.ports import Clock
from penstock.domain.recording import Head
from penstock.proof.ledger import NAME, Tail
from penstock.proof.lines import signed
from penstock.proof.recording import SEALS
from penstock.proof.seal import CHECKPOINT, FINAL, SEAL, Seal


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
            if self._sealed.get(path.stem) != head.records:
                self._sealed[path.stem] = head.records
                await asyncio.to_thread(self._seal, path, self._at(path.stem, CHECKPOINT, head))

    async def close(self, path: Path, head: Head) -> None:
        """Signs a recording that is over, and enters it into the ledger. Harmless when done twice."""
        seal = self._at(path.stem, FINAL, head)
        self._sealed.pop(path.stem, None)
        await asyncio.to_thread(self._seal, path, seal)
        async with self._turn:
            self._tail = await asyncio.to_thread(self._enter, seal)

    def _at(self, session: str, kind: str, head: Head) -> Seal:
        return Seal(session, kind, head.records, head.hash, self._clock.now().isoformat())

    def _seal(self, path: Path, seal: Seal) -> None:
        _append(path.with_suffix(SEALS), signed(self._key, SEAL, seal.as_body()))

    def _enter(self, seal: Seal) -> Tail:
        line, tail = (self._tail or _tail(self._ledger)).next(self._key, seal)
        _append(self._ledger, line)
        return tail


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _tail(ledger: Path) -> Tail:
    """Where the ledger stands. A line that a crash has torn was never relied on, and goes."""
    tail, whole = Tail(), 0
    if not ledger.exists():
        return tail
    with ledger.open("r+b") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            tail, whole = tail.after(line), whole + len(line)
        lines.truncate(whole)
    return tail
