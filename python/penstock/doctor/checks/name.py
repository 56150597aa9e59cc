"""Name resolution."""

import socket

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding

_SHOWN = 4


def resolve(examination: Examination) -> Finding:
    """The addresses of the host."""
    host, port = examination.patient.first_hop
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise CheckError(f"{host} has no address: {error.strerror}") from error
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    more = f" and {len(addresses) - _SHOWN} more" if len(addresses) > _SHOWN else ""
    return Finding(", ".join(addresses[:_SHOWN]) + more)
