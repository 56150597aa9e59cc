"""The API client of somebody who is logged in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from penstock.cli import config as configs
from penstock.cli import credential
from penstock.cli.api import Api, UntrustedError
from penstock.cli.config import Config
from penstock.cli.errors import Refusal
from penstock.cli.state import State
from penstock.cli.trust import changed_ca, context_of


@contextmanager
def signed_in(state: State) -> Iterator[Api]:
    """The API with the stored login. Refuses if there is none, or if the gateway's CA changed since."""
    config = configs.load(state.home)
    with client(state, config, require_token(state, config)) as api:
        yield api


def require_token(state: State, config: Config) -> str:
    """The token, or the refusal that says how to get one."""
    token = credential.load(state.home, config)
    if not token:
        raise Refusal("You are not logged in.", hint="Run: penstock login", code="unauthenticated")
    return token


@contextmanager
def client(state: State, config: Config, token: str | None) -> Iterator[Api]:
    """The API of the configured gateway, trusted as it was at login."""
    verify = context_of(config.ca_file) if config.api_url.startswith("https://") else True
    try:
        with Api(config.api_url, token, verify, state.transport) as api:
            yield api
    except UntrustedError as error:
        raise changed_ca(config.api_url, config, state.transport) or error from error
