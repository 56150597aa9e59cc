"""Every check, in the order in which a connection comes to be."""

from penstock.doctor.checks.api import reach
from penstock.doctor.checks.clock import compare
from penstock.doctor.checks.credential import authenticate
from penstock.doctor.checks.http2 import greet, grpc
from penstock.doctor.checks.name import resolve
from penstock.doctor.checks.stream import MESSAGE_SECONDS, idle, message, round_trip, silent
from penstock.doctor.checks.tcp import connect
from penstock.doctor.checks.tls import handshake
from penstock.doctor.examination import Check, Examination


def _no_tls(examination: Examination) -> str | None:
    return None if examination.patient.tls else "the address is plaintext"


def _tunnel(examination: Examination) -> str | None:
    return "a tunnel port carries links alone" if examination.patient.tunnel else None


def _no_http2(examination: Examination) -> str | None:
    proxy = examination.patient.proxy
    if proxy is not None and proxy.scheme == "https":
        return "not through a forward proxy that speaks TLS; the credential's line tells"
    return _tunnel(examination)


def _no_api(examination: Examination) -> str | None:
    return None if examination.patient.api else "agents do not use it"


def _not_asked(examination: Examination) -> str | None:
    if examination.patient.tunnel:
        return _tunnel(examination)
    return None if examination.idle_seconds else "takes its time: --idle SECONDS"


def _idle_seconds(examination: Examination) -> float:
    return examination.idle_seconds + examination.timeout_seconds


STAGES = (
    (Check("name", (), resolve),),
    (Check("tcp", ("name",), connect),),
    (Check("tls", ("tcp",), handshake, skip=_no_tls),),
    (Check("http2", ("tcp", "tls"), greet, skip=_no_http2),),
    (Check("grpc", ("http2",), grpc, skip=_no_http2),),
    (
        Check("clock", ("grpc",), compare, skip=_no_http2),
        Check("api", (), reach, skip=_no_api),
        Check("credential", ("tcp", "tls", "grpc"), authenticate),
    ),
    (Check("round-trip", ("credential",), round_trip, skip=_tunnel),),
    (Check("message", ("round-trip",), message, skip=_tunnel, seconds=lambda _examination: MESSAGE_SECONDS),),
    (
        Check("idle", ("round-trip",), idle, skip=_not_asked, seconds=_idle_seconds),
        Check("silent", ("round-trip",), silent, skip=_not_asked, seconds=_idle_seconds),
    ),
)
"""Those of one stage run side by side."""
