"""The options that say which gateway a command means and who its user is; shared by `login` and `setup`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import click

from penstock.cli.password import read_email, read_password
from penstock.cli.types import Json


@dataclass(frozen=True)
class Gateway:
    """Which gateway, and how it is to be believed."""

    api_url: str | None = None
    ca_pin: str | None = None
    insecure: bool = False
    keyring: bool = True
    """False keeps the token in a file whatever the system offers."""


@dataclass(frozen=True)
class Identity:
    """Who signs in; asked for only once the gateway is trusted."""

    email: str | None
    password_stdin: bool

    def ask(self, *, confirm: bool = False) -> dict[str, str]:
        """E-mail address and password, from the options, stdin or the terminal."""
        return {
            "email": read_email(self.email),
            "password": read_password(self.password_stdin, confirm=confirm),
        }


_OPTIONS = (
    click.option(
        "--api-url", metavar="URL", help="The gateway.  [default: the last one, else https://127.0.0.1:8009]"
    ),
    click.option("--email", help="The e-mail address to sign in with.  [default: ask]"),
    click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin."),
    click.option(
        "--ca-pin", metavar="sha256:HEX", help="Trust the gateway's own CA if it has this fingerprint."
    ),
    click.option("--insecure", is_flag=True, help="Allow http:// beyond this machine."),
)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options, and hands them on as one `Gateway` and one `Identity`."""

    @wraps(command)
    def gathered(
        *args: Json,
        api_url: str | None,
        email: str | None,
        password_stdin: bool,
        ca_pin: str | None,
        insecure: bool,
        **others: Json,
    ) -> None:
        command(
            *args,
            gateway=Gateway(api_url, ca_pin, insecure),
            identity=Identity(email, password_stdin),
            **others,
        )

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
