"""What the gateway says of itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The addresses to use, and the gateway's own CA if peers meet it.

    ``ca_pem`` is the own CA; ``grpc_ca_pin`` is its pin if the advertised gRPC address leads to it.
    """

    version: str
    api_url: str
    grpc_url: str
    ca_pem: str | None
    grpc_ca_pin: str | None
