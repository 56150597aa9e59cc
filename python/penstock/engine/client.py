"""A client: every connection that its local listeners accept becomes a session."""

import json
from collections.abc import Mapping
from typing import Any

from penstock import _core
from penstock.engine.errors import core_errors


class Client:
    """Dials the gateway with a user's token.

    The settings are those of ``crates/client``: ``url``, ``token`` and optionally ``ca_pin``, ``ca_pem``,
    ``server_name``, ``https_proxy``, ``no_proxy``, ``insecure``, ``links``, ``keepalive_seconds``.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        with core_errors():
            self._core = _core.Client(json.dumps(dict(settings)))

    def check(self, connection: str) -> None:
        """Proves that the gateway is reachable and takes the credential. Raises what it says otherwise.

        Whether ``connection`` may be used is decided for each session, so the core is not told of it here.
        """
        with core_errors():
            self._core.check()

    def forward(self, connection: str, listen: str) -> str:
        """Listens at ``HOST:PORT`` or ``unix:PATH``; returns the bound address."""
        with core_errors():
            return self._core.forward(connection, listen)

    def notices(self, timeout_seconds: float) -> Mapping[str, str | None] | None:
        """The next ``level``, ``message`` and ``hint`` about a forwarded connection; None if none came."""
        notice = self._core.notices(timeout_seconds)
        if notice is None:
            return None
        shape: dict[str, str | None] = json.loads(notice)
        return shape

    def drain(self, timeout_seconds: float) -> bool:
        """Stops listening and waits so long for open sessions; whether all have ended. To be repeated."""
        with core_errors():
            return self._core.drain(timeout_seconds)

    def shutdown(self) -> None:
        """Stops listening and ends every stream."""
        with core_errors():
            self._core.shutdown()
