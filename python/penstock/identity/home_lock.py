"""One gateway per home: two would call each other's sessions interrupted."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.domain.errors import conflict


@contextmanager
def home_lock(path: Path) -> Iterator[None]:
    """Holds the lock file; the kernel frees it when the process dies. Raises ``conflict`` if it is held."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise conflict(
                f"another gateway is running with the home {path.parent.parent}",
                hint="stop it, or give this one a PENSTOCK_HOME of its own",
            ) from None
        yield
    finally:
        os.close(handle)
