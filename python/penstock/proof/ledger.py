"""The ledger: one line for each session that is over, each line signed and chained to the one before."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from penstock.proof.lines import ForgedError, opened, signed
from penstock.proof.seal import LEDGER, Seal

NAME = "ledger.jsonl"


@dataclass(frozen=True, slots=True)
class Tail:
    """Where the ledger stands: lines so far, and the SHA-256 of the last of them."""

    lines: int = 0
    digest: str = ""

    def next(self, key: Ed25519PrivateKey, seal: Seal) -> tuple[bytes, "Tail"]:
        """The next line, and where the ledger stands after it."""
        body = {**seal.as_body(), "number": self.lines + 1, "previous": self.digest}
        line = signed(key, LEDGER, body)
        return line, self.after(line)

    def after(self, line: bytes) -> "Tail":
        """Where it stands after a line that is there."""
        return Tail(self.lines + 1, hashlib.sha256(line).hexdigest())


def read_ledger(file: Path, key: Ed25519PublicKey) -> Iterator[Seal]:
    """The sessions that are over. Raises :class:`ForgedError` at the first line that is not in its place."""
    tail = Tail()
    with file.open("rb") as lines:
        for line in lines:
            try:
                body = opened(key, LEDGER, line)
                seal = Seal.of(body)
                placed = (body["number"], body["previous"]) == (tail.lines + 1, tail.digest)
            except (ForgedError, KeyError, TypeError, ValueError):
                raise ForgedError(
                    f"line {tail.lines + 1} of the ledger is not signed with this key"
                ) from None
            if not placed:
                raise ForgedError(f"line {tail.lines + 1} of the ledger does not follow the one before")
            tail = tail.after(line)
            yield seal
