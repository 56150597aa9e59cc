"""Child processes: each in a session of its own with its output in files, and none outlives its test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.stack.waiting import until

_STOP_SECONDS = 20.0


def _dying_with_us() -> tuple[str, ...]:
    """prctl(2), PR_SET_PDEATHSIG: not even a killed test run leaves anything behind."""
    tool = shutil.which("setpriv")
    return (tool, "--pdeathsig", "KILL", "--") if tool else ()


class Process:
    """A running program."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log: Path, out: Path, stop: int) -> None:
        self.name = name
        self.popen = popen
        self.log = log
        """Its stderr."""
        self.out = out
        """Its stdout."""
        self._stop = stop
        self._asked = False

    @property
    def pid(self) -> int:
        """Its process number, which is its group's too."""
        return self.popen.pid

    @property
    def running(self) -> bool:
        """True until it ended."""
        return self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Sends a signal to it alone."""
        self.popen.send_signal(number)

    def wait(self, seconds: float = _STOP_SECONDS) -> int:
        """Its exit code, once it ended."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not end within {seconds:g} s") from None

    def wait_for_line(self, seconds: float = 30.0) -> str:
        """The first line of its stdout."""

        def look() -> str | None:
            if not self.running:
                raise AssertionError(f"{self.name} ended early:\n{self.log.read_text('utf-8')}")
            first, newline, _ = self.out.read_text("utf-8").partition("\n")
            return first if newline else None

        return until(f"{self.name} wrote a line", look, seconds)

    def stop(self) -> int:
        """Asks it to end; returns its exit code."""
        self.ask()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer does it."""
        self.signal(signal.SIGKILL)
        self.wait()

    def ask(self) -> None:
        """Asks it to end, whatever state it is in; once, for a second time means at once."""
        if self.running and not self._asked:
            self._asked = True
            self.signal(signal.SIGCONT)
            self.signal(self._stop)

    def end(self) -> None:
        """Ends it and all of its group."""
        try:
            self.ask()
            self.popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()


class Processes:
    """All processes of one stack; on the way out they end in the reverse order of their start."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._children: list[Process] = []
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            child.ask()
        while self._children:
            self._children.pop().end()

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        stop: int = signal.SIGTERM,
        prefix: Sequence[str | Path] = (),
    ) -> Process:
        """Starts a program; `prefix` is a command that changes the account, or the view of the system."""
        self._count += 1
        log = self.logs / f"{self._count:03}-{name}.log"
        out = log.with_suffix(".out")
        with log.open("wb") as stderr, out.open("wb") as stdout:
            popen = subprocess.Popen(
                [*map(str, prefix), *_dying_with_us(), *map(str, command)],
                env=environment,
                cwd=self.logs,
                start_new_session=True,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
        child = Process(name, popen, log, out, stop)
        self._children.append(child)
        return child
