"""Which gateway to believe: the system's roots, or one CA of the gateway's own, known by its fingerprint."""

from __future__ import annotations

import hashlib
import ssl
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.cli import environment
from penstock.cli.address import is_loopback, require_private
from penstock.cli.api import Api, UntrustedError
from penstock.cli.config import Config, write_private
from penstock.cli.errors import Refusal, note

if TYPE_CHECKING:
    import httpx

Ask = Callable[[str], bool]
"""Shows a fingerprint to a person, who says yes or no."""


def pin_of(pem: str) -> str:
    """`sha256:` and the hex digest of a certificate's DER form; raises `Refusal` if it is no certificate."""
    try:
        der = ssl.PEM_cert_to_DER_cert(pem.strip())
        ssl.create_default_context(cadata=pem)
    except (ValueError, ssl.SSLError) as error:
        raise Refusal("The gateway's CA is no certificate.", code="malformed", side="gateway") from error
    return "sha256:" + hashlib.sha256(der).hexdigest()


def context_of(ca_file: str) -> ssl.SSLContext:
    """Verifies against one CA alone: the file's, else `TLS_CA`; else against the system's roots."""
    if not ca_file:
        return ssl.create_default_context(cadata=environment.ca_pem())
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Refusal(f"{ca_file} cannot be read as a CA: {error}", hint="Run: penstock login") from error


class Trust:
    """Establishes, before any secret is sent, that the peer is the gateway that somebody meant."""

    def __init__(
        self,
        home: Path,
        known: Config,
        transport: httpx.BaseTransport | None = None,
        ask: Ask | None = None,
    ) -> None:
        self.home = home
        self.known = known
        self.transport = transport
        self.ask = ask if ask or not sys.stdin.isatty() else _ask

    def establish(self, url: str, ca_pin: str | None, insecure: bool = False) -> tuple[Api, str, str]:
        """A verified API client, the CA's pin and its file; both empty if the system's roots suffice."""
        require_private(url, insecure)
        if url.startswith("http://"):
            return self._api(url), "", ""
        if not ca_pin and self._system_trusts(url):
            return self._api(url, context_of("")), "", ""
        pem = self._presented_ca(url)
        pin = pin_of(pem)
        self._accept(url, pin, normalised(ca_pin))
        file = self.home / "gateway-ca.pem"
        write_private(file, pem)
        api = self._api(url, context_of(str(file)))
        api.get("serverinfo")
        return api, pin, str(file)

    def _api(self, url: str, verify: ssl.SSLContext | bool = True) -> Api:
        return Api(url, verify=verify, transport=self.transport)

    def _system_trusts(self, url: str) -> bool:
        try:
            with self._api(url, context_of("")) as api:
                api.get("serverinfo")
        except UntrustedError:
            return False
        return True

    def _presented_ca(self, url: str) -> str:
        # Verification is off for this one public document. What it says counts only once its digest was
        # compared with a pin or shown to a person, and the certificate then verified against it.
        with self._api(url, verify=False) as api:
            return api.text("ca")

    def _accept(self, url: str, pin: str, wanted: str | None) -> None:
        if wanted:
            if pin != wanted:
                raise Refusal(
                    f"{url} shows the CA {pin}, not the {wanted} that --ca-pin asks for.",
                    hint="Somebody may be between you and the gateway. Do not log in before that is clear.",
                    code="untrusted",
                    side="gateway",
                )
            return
        known = self.known.ca_pin if self.known.api_url == url else ""
        if pin == known:
            return
        if known:
            note("warning", f"{url} shows another CA than the one that you trusted ({known}).")
        self._accept_new(url, pin, changed=bool(known))

    def _accept_new(self, url: str, pin: str, changed: bool) -> None:
        if self.ask:
            if not self.ask(f"{url} has a CA of its own:\n  {pin}\nTrust it?"):
                raise Refusal("The CA was not trusted; nothing was sent.", code="untrusted")
        elif is_loopback(url) and not changed:
            # Nobody sits between two processes of one machine but who owns it anyway.
            note("notice", f"trusting the CA of {url} at first use: {pin}")
        else:
            raise Refusal(
                f"{url} has {'a changed' if changed else 'an unknown'} CA, and nobody to ask.",
                hint=f"If the gateway's administrator confirms it, add: --ca-pin {pin}",
                code="untrusted",
                side="gateway",
            )


def _ask(question: str) -> bool:
    return click.confirm(question, default=False, err=True)


def normalised(pin: str | None) -> str | None:
    """A pin as we write it: lower case, no colons between the bytes. A usage error if it is none."""
    if pin is None:
        return None
    digest = pin.strip().lower().removeprefix("sha256:").replace(":", "")
    if len(digest) != 64 or any(character not in "0123456789abcdef" for character in digest):
        raise click.UsageError("--ca-pin wants sha256: and 64 hex digits.")
    return "sha256:" + digest


def changed_ca(url: str, config: Config, transport: httpx.BaseTransport | None) -> Refusal | None:
    """The reason why a gateway that was trusted is not any more, if it is that its CA changed."""
    if not config.ca_pin:
        return None
    with Api(url, verify=False, transport=transport) as api:
        pin = pin_of(api.text("ca"))
    if pin == config.ca_pin:
        return None
    return Refusal(
        f"The CA of {url} changed: it was {config.ca_pin} at login and is {pin} now.",
        hint="If it was set up anew: penstock login. If not, somebody may be in between.",
        code="untrusted",
        side="gateway",
    )
