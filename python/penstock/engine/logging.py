"""The core's own log lines."""

from penstock import _core


def init_logging(encoding: str, level: str, *, grpc: bool) -> None:
    """Sends the core's log to standard error, ``json`` or ``console``. Once per process."""
    _core.init_logging(encoding, level.lower(), grpc)
