"""One demo per home, and none of its processes outlives it: a lock, and a note of who was started."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import psutil  # type: ignore[import-untyped]

from penstock.cli.config import private_folder, write_private
from penstock.cli.errors import Refusal

_END_SECONDS = 10.0


class Noted(TypedDict):
    """One process: its number, what tells it from a later one of that number, and the signal that ends it."""

    pid: int
    created: float
    stop: int


class Register:
    """The running children by name, kept in a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._noted = self._read()

    def add(self, name: str, pid: int, stop: int) -> None:
        """Notes a process that was just started."""
        try:
            created = psutil.Process(pid).create_time()
        except psutil.NoSuchProcess:
            return
        self._noted[name] = Noted(pid=pid, created=created, stop=stop)
        self._write()

    def remove(self, name: str) -> None:
        """Forgets a process that has ended."""
        self._noted.pop(name, None)
        self._write()

    def end_leftovers(self) -> list[str]:
        """Ends what a demo left that was killed before it could; returns their names."""
        found = {name: process for name, noted in self._noted.items() if (process := _alive(noted))}
        for name, process in found.items():
            process.send_signal(self._noted[name]["stop"])
        _gone, stubborn = psutil.wait_procs(found.values(), timeout=_END_SECONDS)
        for process in stubborn:
            process.kill()
        psutil.wait_procs(stubborn, timeout=_END_SECONDS)
        self._noted = {}
        self._write()
        return list(found)

    def _read(self) -> dict[str, Noted]:
        try:
            stored = json.loads(self._file.read_text("utf-8"))
            return {
                name: Noted(pid=int(noted["pid"]), created=float(noted["created"]), stop=int(noted["stop"]))
                for name, noted in stored.items()
            }
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refusal(f"{self._file} cannot be read.", hint="End what it names; delete it.") from error

    def _write(self) -> None:
        write_private(self._file, json.dumps(self._noted))


def _alive(noted: Noted) -> psutil.Process | None:
    try:
        process = psutil.Process(noted["pid"])
        same = abs(process.create_time() - noted["created"]) < 1.0
    except psutil.NoSuchProcess:
        return None
    return process if same else None


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Holds the home for one demo; refuses if another one has it. The lock ends with its holder, however."""
    private_folder(file.parent)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise Refusal(
                f"A demo is running already (process {holder}).",
                hint="Use that one, or end it with Ctrl-C where it runs; --home DIR makes a second one.",
                code="conflict",
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
