"""Is this file the recording that the gateway signed?"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from penstock.proof.lines import ForgedError, opened
from penstock.proof.seal import FINAL, SEAL, Seal

SEALS = ".seals"


class Chain(Protocol):
    """What is read from a recording; the engine's."""

    def report(self, path: Path, head: str | None) -> dict[str, Any]:
        """``ok``, ``session``, ``records``, ``ended``, ``head`` and ``fault``."""

    def heads(self, path: Path, numbers: Sequence[int]) -> dict[int, str]:
        """The hashes of the records with these numbers."""


def check_recording(path: Path, key: Ed25519PublicKey, chain: Chain) -> dict[str, Any]:
    """The chain's report, and ``sealed``: signed to its end.

    What is signed decides: a recording without its final seal is not ok, for nobody can tell a live or a cut
    one from one whose end was taken away.
    """
    try:
        seals = read_seals(path, key)
    except ForgedError as error:
        return _faulty(chain.report(path, None), str(error))
    final = next((seal for seal in reversed(seals) if seal.kind == FINAL), None)
    report = chain.report(path, None if final is None else final.head)
    report["sealed"] = final is not None
    if not report["ok"]:
        return report
    wrong = _wrong(path, report, seals, final) or _checkpoints(path, seals, chain)
    return _faulty(report, wrong) if wrong else report


def read_seals(path: Path, key: Ed25519PublicKey) -> list[Seal]:
    """The seals beside a recording. Raises :class:`ForgedError` for one that is not ours."""
    file = path.with_suffix(SEALS)
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        raise ForgedError(f"its seals are missing: {file.name}") from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(Seal.of(opened(key, SEAL, line)))
        except (ForgedError, KeyError, TypeError, ValueError):
            raise ForgedError(f"line {number} of {file.name} is not signed with this key") from None
    return found


def _wrong(path: Path, report: dict[str, Any], seals: Sequence[Seal], final: Seal | None) -> str | None:
    if final is None:
        return "its final seal is missing: the session is live, or its end was taken away"
    if any(seal.session != report["session"] for seal in seals):
        return f"its seals are another session's: the file is that of session {report['session']}"
    if path.stem != final.session:
        return f"it is the recording of session {final.session}: the file was swapped or renamed"
    return None


def _checkpoints(path: Path, seals: Sequence[Seal], chain: Chain) -> str | None:
    found = chain.heads(path, [seal.records for seal in seals])
    for seal in seals:
        if found.get(seal.records) != seal.head:
            return f"record {seal.records} is not the one that was signed at {seal.at}"
    return None


def _faulty(report: dict[str, Any], what: str) -> dict[str, Any]:
    fault = {"record": report["records"], "offset": 0, "what": what}
    return {"sealed": False, **report, "ok": False, "fault": report.get("fault") or fault}
