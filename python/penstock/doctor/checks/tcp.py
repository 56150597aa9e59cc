"""A TCP connection."""

import socket

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding


def connect(examination: Examination) -> Finding:
    """Whether somebody listens."""
    hop = examination.patient.first_hop
    place = f"{hop[0]} port {hop[1]}"
    try:
        with socket.create_connection(hop, examination.timeout_seconds) as tcp:
            host, port = tcp.getpeername()[:2]
    except TimeoutError as error:
        raise CheckError(f"{place} does not answer", {"tcp": "timeout"}) from error
    except ConnectionRefusedError as error:
        raise CheckError(f"nothing listens at {place}", {"tcp": "refused"}) from error
    except OSError as error:
        raise CheckError(f"{place}: {error.strerror or error}", {"tcp": "unreachable"}) from error
    proxied = ", the forward proxy" if examination.patient.proxy else ""
    return Finding(f"{host} port {port}{proxied}")
