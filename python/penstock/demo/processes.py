"""The demo's child processes: started with a log each, watched, noted in a file, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from penstock.cli.config import private_folder
from penstock.cli.errors import Refusal
from penstock.demo.ending import Ending
from penstock.demo.leftovers import Register

_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.1
_TAIL_LINES = 12
_TAIL_BYTES = 8192


class Child:
    """One process with its log file."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, stop: int, kill: int) -> None:
        self.name = name
        self.log = log
        self.process = process
        self._stop = stop
        self._kill = kill

    def wait_until(self, what: str, ready: Callable[[], bool], seconds: float) -> None:
        """Waits until `what` is so; raises `Refusal` with the log's tail if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.require_running()
            if time.monotonic() > deadline:
                raise self._failure(f"It was not so after {seconds:.0f} s: {what}.")
            time.sleep(_POLL_SECONDS)

    def require_running(self) -> None:
        """Raises `Refusal` with the log's tail if the process has ended."""
        if (code := self.process.poll()) is not None:
            raise self._failure(f"The {self.name} ended {_how(code)}.")

    def stop(self) -> None:
        """Asks it to end, then makes it."""
        for number, seconds in (
            (self._stop, _STOP_SECONDS),
            (self._kill, _STOP_SECONDS),
            (signal.SIGKILL, None),
        ):
            if self.process.poll() is not None:
                return
            self.process.send_signal(number)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue

    def tail(self) -> str:
        """The last lines of its log."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _TAIL_BYTES))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:])

    def _failure(self, message: str) -> Refusal:
        return Refusal(f"{message} The end of its log:\n{self.tail()}", hint=f"All of it: {self.log}")


class Processes:
    """All children of one demo; on the way out they end in the reverse order of their start."""

    def __init__(self, logs: Path, register: Register, ending: Ending) -> None:
        self._logs = logs
        self._ending = ending
        self._register = register
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        *,
        stop: int = signal.SIGTERM,
        kill: int = signal.SIGKILL,
    ) -> Child:
        """Starts a process in a session of its own, so that the terminal's Ctrl-C reaches the demo alone."""
        private_folder(self._logs)
        log = self._logs / f"{name}.log"
        words = [str(part) for part in command]
        with self._ending.held():
            child = Child(name, _spawn(words, environment, log), log, stop, kill)
            self._children.append(child)
            self._register.add(name, child.process.pid, stop)
        return child

    def require_running(self) -> None:
        """Raises `Refusal` if any of them has ended."""
        for child in self._children:
            child.require_running()

    def stop(self) -> None:
        """Ends all."""
        while self._children:
            child = self._children.pop()
            child.stop()
            self._register.remove(child.name)


def _spawn(
    command: Sequence[str], environment: Mapping[str, str] | None, log: Path
) -> subprocess.Popen[bytes]:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        return subprocess.Popen(
            command,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def _how(code: int) -> str:
    return f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
