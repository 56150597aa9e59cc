"""The settings that a client shares with agents (see the settings reference)."""

from __future__ import annotations

import os

from penstock.cli.errors import Refusal
from penstock.pem import read_pem

# More than a day is nobody's deadline.
_DIGITS = 5


def ca_pem() -> str | None:
    """The CA that the gateway's certificate must lead to, from `TLS_CA`: PEM, base64 of PEM, or a path."""
    value = os.environ.get("TLS_CA")
    try:
        return read_pem(value) if value else None
    except ValueError as error:
        raise Refusal(f"TLS_CA {error}.", hint="Unset it, or set it to the PEM text of the CA.") from error


def server_name() -> str | None:
    """The name that the gateway's certificate must hold, from `TLS_SERVER_NAME`."""
    return os.environ.get("TLS_SERVER_NAME") or None


def https_proxy() -> str | None:
    """The forward proxy on the way to the gateway, from `HTTPS_PROXY` or `https_proxy`."""
    return os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy") or None


def no_proxy() -> str | None:
    """What is reached without it, from `NO_PROXY` or `no_proxy`."""
    return os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or None


def drain_seconds() -> int:
    """What open sessions get to finish on SIGTERM, from `DRAIN_SECONDS`."""
    value = os.environ.get("DRAIN_SECONDS") or "10"
    if not value.isascii() or not value.isdecimal() or len(value) > _DIGITS:
        raise Refusal(f"DRAIN_SECONDS is {value!r}.", hint="Set it to a number of seconds.")
    return int(value)


def insecure() -> bool:
    """Whether plaintext may leave this machine, from `PENSTOCK_INSECURE`."""
    return os.environ.get("PENSTOCK_INSECURE", "").lower() in ("1", "true", "yes", "on")


def keepalive_seconds() -> int:
    """Seconds of silence on a link before it is probed, from `LINK_KEEPALIVE_SECONDS`."""
    value = os.environ.get("LINK_KEEPALIVE_SECONDS") or "15"
    if not (value.isascii() and value.isdigit() and 1 <= int(value) <= 3600):
        raise Refusal(
            f"LINK_KEEPALIVE_SECONDS is {value!r}.", hint="Unset it, or set it to a number from 1 to 3600."
        )
    return int(value)
