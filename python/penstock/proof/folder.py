"""Are all recordings there, and are they what was recorded?"""

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from penstock.proof.ledger import NAME, read_ledger
from penstock.proof.lines import ForgedError
from penstock.proof.recording import Chain, check_recording


def check_folder(folder: Path, key: Ed25519PublicKey, chain: Chain) -> Iterator[tuple[str, str]]:
    """What is wrong in a folder of kept recordings, as session and sentence.

    A session that the ledger knows and whose file is gone was deleted; a file that the ledger does not know
    was added. Raises ``FileNotFoundError`` without a ledger.
    """
    files = {path.stem: path for path in sorted(folder.rglob("*.rec"))}
    known: dict[str, str] = {}
    try:
        for seal in read_ledger(folder / NAME, key):
            known[seal.session] = seal.head
    except ForgedError as error:
        yield "", str(error)
    for session, head in known.items():
        if session not in files:
            yield session, "its recording was deleted"
        elif wrong := _wrong(files[session], head, key, chain):
            yield session, wrong
    for session in files.keys() - known.keys():
        yield session, "the ledger does not know this recording"


def _wrong(path: Path, head: str, key: Ed25519PublicKey, chain: Chain) -> str | None:
    report = check_recording(path, key, chain)
    if not report["ok"]:
        return str(report["fault"]["what"])
    return None if report["head"] == head else "it is not the recording that the ledger knows"
