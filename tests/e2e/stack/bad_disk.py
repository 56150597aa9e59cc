"""A gateway whose live recordings lie on a disk of their own: a small one that fills up, and that breaks."""

from __future__ import annotations

import contextlib
import errno
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from penstock.domain.errors import PenstockError
from penstock.engine.recordings import Recordings

from tests.e2e.stack.stack import Stack, running

SIZE = "256k"
SOURCE = Path(__file__).parent.parent / "clients" / "failing_disk.c"
# In a namespace of its own, so that neither root nor this machine's mounts are needed.
_MOUNT = f'mount -t tmpfs -o size={SIZE},mode=700 none "$0" && exec "$@"'


@dataclass(frozen=True)
class BadDisk:
    """A stack, and what goes wrong below its gateway."""

    stack: Stack
    folder: Path
    """Where live recordings are, as the gateway sees it."""
    control: Path

    @property
    def ballast(self) -> Path:
        """What fills the disk, as the test sees it."""
        return Path(f"/proc/{self.stack.gateway.process.pid}/root{self.folder}/ballast")

    def full(self) -> None:
        """Not a byte is free (a real tmpfs, ENOSPC)."""
        with contextlib.suppress(OSError), self.ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        assert shutil.disk_usage(self.ballast.parent).free == 0

    def unwritable(self) -> None:
        """Every write of a recording fails (EIO)."""
        self.control.write_text("write", "ascii")

    def unsound(self) -> None:
        """Writes are taken and syncs fail (EIO)."""
        self.control.write_text("sync", "ascii")

    def mend(self) -> None:
        """All is well again."""
        self.control.unlink(missing_ok=True)
        self.ballast.unlink(missing_ok=True)

    def untold(self) -> list[str]:
        """The live recordings that say nothing of their session."""
        return [file.name for file in self.ballast.parent.glob("*.rec") if not _tells(file)]


def _tells(file: Path) -> bool:
    try:
        Recordings().summarise(file)
    except PenstockError:
        return False
    return True


@contextmanager
def bad_disk(folder: Path, variables: Mapping[str, str]) -> Iterator[BadDisk]:
    """Builds what fails, and starts a stack on it."""
    live, control, library = folder / "live", folder / "fails", folder / "failing_disk.so"
    live.mkdir(parents=True)
    compile_it = [
        "cc",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-o",
        str(library),
        str(SOURCE),
        "-ldl",
    ]
    done = subprocess.run(compile_it, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    prefix = ("unshare", "--mount", "--map-root-user", "sh", "-c", _MOUNT, live)
    preloaded = {"LD_PRELOAD": str(library), "FAILING_DISK": str(control), "PLUGIN_AUDIT_PATH": str(live)}
    with running(folder / "stack", {**variables, **preloaded}, prefix) as stack:
        yield BadDisk(stack, live, control)


REASONS = {"full": errno.ENOSPC, "unwritable": errno.EIO, "unsound": errno.EIO}
"""What the kernel says of each fault."""
