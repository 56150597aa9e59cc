"""Where the demo's gateway listens: this machine only, unless the environment says otherwise."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.cli.errors import Refusal
from penstock.domain.addresses import Address, parse_address

_DEFAULTS = {
    "HTTP_LISTEN": "127.0.0.1:8009",
    "GRPC_LISTEN": "127.0.0.1:8010",
    "ADMIN_LISTEN": "127.0.0.1:19000",
}


@dataclass(frozen=True)
class Listen:
    """The gateway's addresses by the variable that sets each."""

    addresses: Mapping[str, Address]

    @property
    def api_url(self) -> str:
        """Where this machine finds the API."""
        address = self.addresses["HTTP_LISTEN"]
        return f"https://{Address(_reachable(address.host), address.port)}"

    def environment(self) -> dict[str, str]:
        """The variables."""
        return {name: str(address) for name, address in self.addresses.items()}

    def require_free(self) -> None:
        """Raises `Refusal` naming the first address that is taken, and the variable that moves it."""
        for variable, address in self.addresses.items():
            if reason := _unusable(address):
                other = Address(address.host, address.port + 100 if address.port < 65000 else 0)
                raise Refusal(
                    f"The demo cannot listen on {address}: {reason}.",
                    hint=f"End what listens there, or choose another port: {variable}={other} penstock demo",
                    code="conflict",
                )


def chosen(environment: Mapping[str, str] = os.environ) -> Listen:
    """The addresses from the environment, else the defaults. Raises `Refusal` if one is no address."""
    addresses = {}
    for variable, default in _DEFAULTS.items():
        try:
            addresses[variable] = parse_address(environment.get(variable) or default)
        except ValueError as error:
            raise Refusal(f"{variable}: {error}", hint=f"For example {variable}={default}") from error
    return Listen(addresses)


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound here


def _unusable(address: Address) -> str | None:
    try:
        family, kind, _, _, place = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
            probe.listen(1)
    except OSError as error:
        return (
            f"port {address.port} is taken"
            if error.errno == errno.EADDRINUSE
            else str(error.strerror or error)
        )
    return None
