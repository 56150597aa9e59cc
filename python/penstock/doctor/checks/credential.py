"""The credential: the agent's key or the user's token, shown as it always is. Opens no session."""

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding
from penstock.domain.errors import PenstockError


def authenticate(examination: Examination) -> Finding:
    """Whether the gateway takes it."""
    patient = examination.patient
    try:
        examination.probe.authenticate(examination.timeout_seconds)
    except PenstockError as error:
        raise CheckError(error.message, {"code": str(error.code), "hint": error.hint or ""}) from error
    if patient.tunnel:
        return Finding("the certificate is accepted")
    return Finding(f"agent {patient.agent}" if patient.agent else "the token of this login")
