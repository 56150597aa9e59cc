"""What the command line makes of an address that somebody typed."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import click

from penstock.cli import environment
from penstock.cli.errors import Refusal


def base_url(text: str) -> str:
    """The gateway's URL without path; `https://` if no scheme is named. A usage error if it is no URL."""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        port = None
    if parts.scheme not in ("http", "https") or not parts.hostname or port is None:
        raise click.UsageError(f"{text!r} is no URL such as https://gateway.example.com:8009")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{port}"


def is_loopback(url: str) -> bool:
    """True if the URL cannot leave this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_private(url: str, insecure: bool) -> None:
    """Refuses to speak plainly beyond this machine."""
    allowed = insecure or environment.insecure()
    if url.startswith("http://") and not allowed and not is_loopback(url):
        raise Refusal(
            f"{url} is not encrypted: the password and all that follows could be read on the way.",
            hint="Use https://, or --insecure where the network itself is private.",
        )
