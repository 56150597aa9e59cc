"""What is signed about one recording."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CHECKPOINT = "checkpoint"
FINAL = "final"
SEAL = "recording seal 1"
LEDGER = "recording ledger 1"


@dataclass(frozen=True, slots=True)
class Seal:
    """The recording of ``session`` had so many records, and the last one this hash. ``final``: it is over."""

    session: str
    kind: str
    records: int
    head: str
    at: str

    def as_body(self) -> dict[str, Any]:
        """As it is signed."""
        return asdict(self)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "Seal":
        """Of a signed line's object. Raises ``KeyError``."""
        return cls(body["session"], body["kind"], int(body["records"]), body["head"], body["at"])
