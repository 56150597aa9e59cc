"""Files and folders that only their owner may read."""

import os
import tempfile
from pathlib import Path

from penstock.domain.errors import PenstockError, Side, malformed


def private_folder(path: Path) -> Path:
    """Makes the folder 0700. Raises ``malformed`` with a hint if it cannot be made or written."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(f"not writable: {str(path)!r}")
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def write_private(path: Path, data: bytes) -> None:
    """Replaces the file as a whole, 0600 and durably: a crash leaves the old one or the new one."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from None


def sync_folder(path: Path) -> None:
    """Makes the folder's entries durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> PenstockError:
    result = malformed(
        f"cannot write {path}: {error.strerror or error}",
        hint="make it writable for this user, or set PENSTOCK_HOME to a folder that is",
    )
    result.side = Side.GATEWAY
    return result
