"""`penstock admin create`."""

from __future__ import annotations

import os
import shlex
from typing import Any

import click

from penstock.cli.admin.resources import Nouns
from penstock.cli.admin.service_account import create_service_account
from penstock.cli.errors import note
from penstock.cli.output import output_option, write_fields, write_json
from penstock.cli.password import read_password
from penstock.cli.state import State
from penstock.cli.text import clean


@click.group(cls=Nouns)
def create() -> None:
    """Create an agent, connection, app, user, group or service account."""


@create.command()
@click.argument("name")
@click.option(
    "--certificate-name",
    "certificate_names",
    multiple=True,
    metavar="NAME",
    help="The name in a certificate that it may dial with.  [default: the agent's own]",
)
@output_option()
@click.pass_obj
def agent(state: State, name: str, certificate_names: tuple[str, ...]) -> None:
    """Create an agent and print its key, which is shown this one time only.

    \b
    Examples:
      penstock admin create agent office
      penstock admin create agent office -o json | jq -r .key
      penstock admin create agent office --certificate-name office.corp.example
    """
    certificates = {"certificate_names": list(certificate_names)} if certificate_names else {}
    created = _post(state, "agents", {"name": name, **certificates})
    if state.json:
        write_json(created)
        return
    click.echo(f"Agent {clean(created['name'])} is created. Start it in its network with this key:\n")
    click.echo(f"  PENSTOCK_KEY={shlex.quote(clean(created['key']))} penstock start agent\n")
    note("notice", "the key is shown this one time; whoever has it is this agent.")


@create.command()
@click.argument("name")
@click.option(
    "--type", "kind", type=click.Choice(["postgres", "tcp"]), required=True, help="What is spoken there."
)
@click.option("--agent", help="The agent that reaches it.  [default: the gateway itself]")
@click.option(
    "-e",
    "--env",
    "settings",
    multiple=True,
    metavar="KEY[=VALUE]",
    help="A setting; without =VALUE taken from the environment, which keeps secrets out of `ps`.",
)
@click.option(
    "--group", "groups", multiple=True, help="A group that may use it.  [default: administrators only]"
)
@output_option()
@click.pass_obj
def connection(
    state: State, name: str, kind: str, agent: str | None, settings: tuple[str, ...], groups: tuple[str, ...]
) -> None:
    """Create a connection.

    Settings of both types: HOST, PORT. Of postgres: USER, PASS, DB, SSLMODE, SSLROOTCERT; a HOST that begins
    with / is the folder of a unix socket. Secrets are encrypted at rest and never shown again.

    \b
    Examples:
      penstock admin create connection prod-db --type postgres --agent office \\
          -e HOST=10.0.0.5 -e PORT=5432 -e USER=app -e PASS -e DB=shop -e SSLMODE=require --group developers
      penstock admin create connection cache --type tcp --agent office -e HOST=10.0.0.6 -e PORT=6379
    """
    body = {
        "name": name,
        "type": kind,
        "agent": agent,
        "env": dict(map(_setting, settings)),
        "groups": list(groups),
    }
    created = _post(state, "connections", body)
    if state.json:
        write_json(created)
    else:
        name = clean(created["name"])
        click.echo(f"Connection {name} is created: penstock connect {name}")


@create.command()
@click.argument("name")
@click.option(
    "--route",
    "routes",
    multiple=True,
    required=True,
    metavar="HOST[/PATH]",
    help="What it is asked by: a host, or a host and the beginning of a path; *.DOMAIN takes any host there.",
)
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="CERTIFICATE",
    help="The name in the certificate of a worker that serves it.  [default: the app's own name]",
)
@click.option("--identify", is_flag=True, help="Let in only users who are logged in.")
@click.option(
    "--access",
    multiple=True,
    metavar="GROUP",
    help="With --identify: a group that may enter.  [default: every user]",
)
@click.option(
    "--selector",
    metavar="KIND",
    help="How a worker is chosen: least-in-flight, round-robin, power-of-two, cookie:NAME or header:NAME.  "
    "[default: least-in-flight]",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=click.IntRange(1, 3600),
    help="Seconds until a worker's answer begins.  [default: 60]",
)
@output_option()
@click.pass_obj
def app(state: State, /, name: str, **options: Any) -> None:  # noqa: ANN401 - as the API takes them
    """Publish an app on the gateway's public port (PUBLIC_LISTEN).

    It is served by workers that dial the tunnel port with a certificate of one of the names in --worker.

    \b
    Examples:
      penstock pki issue shop && penstock admin create app shop --route shop.example.com
      penstock admin create app wiki --route example.com/wiki --worker wiki-1 --worker wiki-2 \\
          --identify --access staff
      penstock admin create app cart --route cart.example.com --selector cookie:cart_worker --timeout 300
    """
    body = {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()}
    created = _post(state, "apps", {"name": name, **{k: v for k, v in body.items() if v is not None}})
    if state.json:
        write_json(created)
        return
    workers = ", ".join(map(clean, created["workers"]))
    click.echo(f"App {clean(created['name'])} is published at {', '.join(map(clean, created['routes']))}.")
    click.echo(f"Serve it with a worker whose certificate is named {workers}: penstock start worker --help")


@create.command()
@click.argument("email")
@click.option("--group", "groups", multiple=True, help="A group that the user belongs to.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
@output_option()
@click.pass_obj
def user(state: State, email: str, groups: tuple[str, ...], password_stdin: bool) -> None:
    """Create a user.

    \b
    Example:
      penstock admin create user ann@example.com --group developers
    """
    body = {"email": email, "password": read_password(password_stdin, confirm=True), "groups": list(groups)}
    _created(state, _post(state, "users", body))


@create.command()
@click.argument("name")
@output_option()
@click.pass_obj
def group(state: State, name: str) -> None:
    """Create a group.

    \b
    Example:
      penstock admin create group developers
    """
    _created(state, _post(state, "groups", {"name": name}))


create.add_command(create_service_account)


def _setting(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key:
        raise click.UsageError(f"-e wants KEY=VALUE or KEY, not {text!r}.")
    if equals:
        return key, value
    if key not in os.environ:
        raise click.UsageError(f"-e {key} takes the value of the variable {key}, which is not set.")
    return key, os.environ[key]


def _post(state: State, resource: str, body: dict[str, Any]) -> dict[str, Any]:
    from penstock.cli.client import signed_in

    with signed_in(state) as api:
        answer: dict[str, Any] = api.post(resource, body=body)
        return answer


def _created(state: State, resource: dict[str, Any]) -> None:
    if state.json:
        write_json(resource)
    else:
        write_fields(resource)
