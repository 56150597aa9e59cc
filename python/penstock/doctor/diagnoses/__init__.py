"""Every diagnosis, the special before the general: the first that fits is it."""

import re
from collections.abc import Mapping

from penstock.doctor.diagnoses.gateway import GATEWAY
from penstock.doctor.diagnoses.http import HTTP
from penstock.doctor.diagnoses.network import NETWORK
from penstock.doctor.diagnoses.streams import STREAMS
from penstock.doctor.diagnoses.tls import TLS
from penstock.doctor.finding import Diagnosis

DIAGNOSES: tuple[Diagnosis, ...] = (*NETWORK, *TLS, *HTTP, *GATEWAY, *STREAMS)


def diagnose(check: str, facts: Mapping[str, str]) -> Diagnosis | None:
    """What it comes from, if it is known."""
    return next((found for found in DIAGNOSES if check in found.checks and _fits(found, facts)), None)


def _fits(diagnosis: Diagnosis, facts: Mapping[str, str]) -> bool:
    return all(re.search(pattern, facts.get(name, "")) for name, pattern in diagnosis.seen.items())
