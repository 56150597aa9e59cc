"""Diagnoses as data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from penstock.doctor.checks import STAGES
from penstock.doctor.diagnoses import DIAGNOSES, diagnose
from penstock.doctor.finding import Diagnosis
from penstock.doctor.reference import page

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "diagnoses.md"
CHECKS = {check.name for stage in STAGES for check in stage}
PLACES = {"nginx", "HAProxy", "Envoy", "ALB", "agent", "client", "gateway"}


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == page(), (
        "run: python -m penstock.doctor.reference > docs/reference/diagnoses.md"
    )


@pytest.mark.parametrize("diagnosis", DIAGNOSES, ids=lambda diagnosis: diagnosis.name)
def test_each_can_be_found_and_says_what_to_do(diagnosis: Diagnosis) -> None:
    assert diagnosis.checks and diagnosis.checks <= CHECKS
    assert diagnosis.lines.keys() <= PLACES
    assert diagnosis.cause.endswith(".")
    assert diagnosis.seen
    for pattern in diagnosis.seen.values():
        re.compile(pattern)


def test_every_check_that_may_fail_has_one() -> None:
    assert {check for diagnosis in DIAGNOSES for check in diagnosis.checks} == CHECKS


def test_the_first_that_fits_is_it() -> None:
    found = diagnose("grpc", {"status": "413", "type": "text/html"})
    assert found is not None and found.name == "body-size-limit"
    assert diagnose("grpc", {"status": "599"}) is None
    assert diagnose("name", {"status": "413"}) is None
