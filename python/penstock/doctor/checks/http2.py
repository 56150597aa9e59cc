"""HTTP/2 and gRPC up to the gateway, told by what comes instead."""

import ssl
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from penstock.doctor.examination import Examination
from penstock.doctor.exchange import Answer, Exchange, dial_tls
from penstock.doctor.finding import CheckError, Finding

TRANSPORT = "/protobuf.Transport/Connect"
"""The only path that every balancer must forward. Asked without a credential, the gateway says so."""

_UNAUTHENTICATED = "16"
_GRPC = "application/grpc"
_SHOWN = 80


def greet(examination: Examination) -> Finding:
    """Whether the other side's first words are HTTP/2 (RFC 9113 §3.4)."""
    with closing(_dial(examination)) as exchange:
        answer = exchange.greet()
    if answer.settings:
        return Finding("SETTINGS came")
    facts = {**_facts(answer), "first": _kind(answer.first)}
    if not examination.patient.tls and _speaks_tls(examination):
        raise CheckError("this is plaintext, and the port speaks TLS", {**facts, "tls": "spoken"})
    first = _printable(answer.first)
    said = f"it said {first!r}" if first else answer.broken or "it said nothing"
    raise CheckError(f"HTTP/2 is not spoken here: {said}", facts)


def grpc(examination: Examination) -> Finding:
    """Whether a gRPC call reaches the gateway."""
    with closing(_dial(examination)) as exchange:
        headers = {"content-type": _GRPC, "te": "trailers", "user-agent": "penstock-doctor"}
        answer = exchange.ask("POST", TRANSPORT, headers)
    _note_clock(examination, answer)
    status = answer.headers.get("grpc-status")
    if not answer.headers.get("content-type", "").startswith(_GRPC) or status is None:
        raise CheckError(f"gRPC does not get through: {_told(answer)}", _facts(answer))
    if status != _UNAUTHENTICATED:
        message = unquote(answer.headers.get("grpc-message", ""))[:_SHOWN]
        raise CheckError(
            f"gRPC is answered with status {status}: {message}", {**_facts(answer), "message": message}
        )
    return Finding(f"{TRANSPORT} answers" + _by(answer))


def _dial(examination: Examination) -> Exchange:
    try:
        return Exchange(examination.patient, examination.timeout_seconds)
    except OSError as error:
        raise CheckError(f"the connection failed: {error}", {"broken": str(error)}) from error


def _speaks_tls(examination: Examination) -> bool:
    try:
        dial_tls(examination.patient, examination.timeout_seconds).close()
    except ssl.SSLError as error:
        # Whoever refuses the handshake in its words speaks TLS, too.
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True


def _facts(answer: Answer) -> dict[str, str]:
    headers = answer.headers
    seen = {
        "status": headers.get(":status"),
        "grpc": headers.get("grpc-status"),
        "type": headers.get("content-type"),
        "server": headers.get("server"),
        "reset": answer.reset,
        "goaway": answer.goaway,
        "broken": answer.broken,
        "body": _printable(answer.body) or None,
    }
    return {name: value for name, value in seen.items() if value is not None}


def _told(answer: Answer) -> str:
    if status := answer.headers.get(":status"):
        kind = answer.headers.get("content-type", "nothing").partition(";")[0]
        return f"HTTP {status}, {kind}{_by(answer)}"
    if answer.reset:
        return f"RST_STREAM {answer.reset}"
    if answer.goaway:
        return f"GOAWAY {answer.goaway}"
    return answer.broken or "no answer"


def _by(answer: Answer) -> str:
    server = answer.headers.get("server")
    return f", by {_printable(server.encode())}" if server else ""


def _kind(first: bytes) -> str:
    """What the first bytes are, if not HTTP/2."""
    if first.startswith(b"HTTP/1."):
        return "HTTP/1"
    return "other" if first else "nothing"


def _printable(text: bytes) -> str:
    line = text.decode("ascii", "replace").partition("\r")[0].partition("\n")[0]
    return "".join(character for character in line if character.isprintable())[:_SHOWN]


def _note_clock(examination: Examination, answer: Answer) -> None:
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return
    # The header's resolution is a second, cut off (RFC 9110 §6.6.1).
    examination.skew_seconds = told.timestamp() + 0.5 - time.time()
