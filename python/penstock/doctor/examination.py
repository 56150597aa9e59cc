"""The checks in their order, each in bounded time; what needs one that failed is not run."""

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from penstock.doctor.finding import CheckError, Diagnosis, Finding, Result, Status
from penstock.doctor.patient import Patient
from penstock.engine.probe import Probe

# Checks have limits of their own; beyond them one hangs where nothing can stop it, as in getaddrinfo(3).
_MARGIN_SECONDS = 5.0


@dataclass
class Examination:
    """What the checks of one run share."""

    patient: Patient
    probe: Probe
    timeout_seconds: float
    idle_seconds: float
    skew_seconds: float | None = None
    """How far the other side's clock is ahead of ours, once it has told its time."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the answer."""

    name: str
    needs: tuple[str, ...]
    run: Callable[[Examination], Finding]
    """Raises :class:`CheckError`."""
    skip: Callable[[Examination], str | None] = lambda _examination: None
    """Why it has nothing to do with this patient; None if it has."""
    seconds: Callable[[Examination], float] = lambda examination: examination.timeout_seconds
    """What it may take."""


Diagnose = Callable[[str, Mapping[str, str]], Diagnosis | None]
"""Finds a diagnosis by the name of a check and the facts that it saw."""


def examine(
    examination: Examination, stages: Sequence[Sequence[Check]], diagnose: Diagnose
) -> Iterator[Result]:
    """Runs stage after stage, the checks of one side by side; yields each result when it is its turn."""
    missing: set[str] = set()
    for stage in stages:
        for running in [_Running(examination, check, missing) for check in stage]:
            result = running.result(diagnose)
            if result.status is Status.FAILED or running.lacking:
                missing.add(result.check)
            yield result


class _Running:
    """A check on a thread of its own, which is left behind if it hangs."""

    def __init__(self, examination: Examination, check: Check, missing: set[str]) -> None:
        self.lacking = [name for name in check.needs if name in missing]
        self._check = check
        self._skipped = check.skip(examination)
        self._limit = check.seconds(examination) + _MARGIN_SECONDS
        self._start = time.monotonic()
        self._outcome: queue.SimpleQueue[Finding | Exception] = queue.SimpleQueue()
        if not self.lacking and self._skipped is None:
            threading.Thread(target=self._run, args=(examination,), name=check.name, daemon=True).start()

    def _run(self, examination: Examination) -> None:
        try:
            self._outcome.put(self._check.run(examination))
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits for it
            self._outcome.put(error)

    def result(self, diagnose: Diagnose) -> Result:
        """Waits for it. Raises what is no trouble of the patient's."""
        name = self._check.name
        if self._skipped is not None:
            return Result(name, Status.NOT_RUN, self._skipped)
        if self.lacking:
            return Result(name, Status.NOT_RUN, f"needs {', '.join(self.lacking)}")
        outcome = self._wait()
        seconds = time.monotonic() - self._start
        if isinstance(outcome, Finding):
            return Result(name, Status.OK, outcome.detail, seconds)
        if not isinstance(outcome, CheckError):
            raise outcome
        status = Status.FAILED if outcome.grave else Status.WARNED
        return Result(name, status, outcome.detail, seconds, diagnose(name, outcome.facts))

    def _wait(self) -> Finding | Exception:
        try:
            return self._outcome.get(timeout=self._limit)
        except queue.Empty:
            return CheckError(f"no answer within {self._limit:g} s", {"timeout": self._check.name})
