"""Checks in their order."""

from __future__ import annotations

import threading

import pytest
from penstock.doctor import examination as under_test
from penstock.doctor.examination import Check, Examination, examine
from penstock.doctor.finding import CheckError, Diagnosis, Finding, Result
from penstock.doctor.patient import Patient
from penstock.engine.probe import Probe

PATIENT = Patient({"url": "grpc://127.0.0.1:1"}, "s")
ILL = Diagnosis("ill", frozenset({"b"}), {"x": "1"}, "It is ill.")


@pytest.fixture
def examination() -> Examination:
    """Nothing in it is dialled."""
    return Examination(PATIENT, Probe(PATIENT.as_shape()), 5.0, 0.0)


def well(_examination: Examination) -> Finding:
    return Finding("well")


def ill(_examination: Examination) -> Finding:
    raise CheckError("ill", {"x": "1"})


def uneasy(_examination: Examination) -> Finding:
    raise CheckError("uneasy", grave=False)


def run(examination: Examination, *stages: tuple[Check, ...]) -> dict[str, Result]:
    def diagnose(check: str, facts: object) -> Diagnosis | None:
        return ILL if check == "b" else None

    return {result.check: result for result in examine(examination, stages, diagnose)}


def test_what_needs_a_check_that_failed_is_not_run(examination: Examination) -> None:
    found = run(
        examination,
        (Check("a", (), well), Check("b", (), ill)),
        (Check("c", ("b",), well),),
        (Check("d", ("c",), well), Check("e", ("a",), well)),
    )

    assert {name: str(result.status) for name, result in found.items()} == {
        "a": "ok",
        "b": "failed",
        "c": "not-run",
        "d": "not-run",
        "e": "ok",
    }
    assert found["b"].diagnosis is ILL
    assert (found["c"].detail, found["d"].detail) == ("needs b", "needs c")


def test_a_warning_and_a_check_that_has_nothing_to_do_stop_nobody(examination: Examination) -> None:
    found = run(
        examination,
        (Check("a", (), uneasy), Check("c", (), ill, skip=lambda _examination: "not here")),
        (Check("d", ("a", "c"), well),),
    )

    assert [str(found[name].status) for name in "acd"] == ["warned", "not-run", "ok"]


def test_a_check_that_hangs_is_left_behind(examination: Examination, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_MARGIN_SECONDS", 0.0)
    release = threading.Event()

    def hang(_examination: Examination) -> Finding:
        release.wait(60)
        return Finding("late")

    found = run(examination, (Check("a", (), hang, seconds=lambda _examination: 0.05),))
    release.set()

    assert (str(found["a"].status), found["a"].detail) == ("failed", "no answer within 0.05 s")


def test_a_fault_of_ours_is_no_diagnosis(examination: Examination) -> None:
    def broken(_examination: Examination) -> Finding:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(examination, (Check("a", (), broken),))
