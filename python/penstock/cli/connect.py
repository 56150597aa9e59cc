"""`penstock connect`."""

from __future__ import annotations

import errno
import json
import shlex
import socket as sockets
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import quote

import click

from penstock.cli import environment
from penstock.cli.debug import debug_options
from penstock.cli.errors import Refusal, note
from penstock.cli.open_files import raise_open_files
from penstock.cli.output import output_option
from penstock.cli.signals import told_to_stop
from penstock.cli.state import State
from penstock.cli.text import clean
from penstock.cli.types import Json

if TYPE_CHECKING:
    from penstock.cli.tunnel import Tunnel

# PostgreSQL's own port plus one: a server of the user's own on 5432 stays reachable.
_POSTGRES_PORT = 5433
_NOTICE_SECONDS = 0.25


@click.command()
@click.argument("name")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="The local port.  [default: 5433 for postgres, else any]"
)
@click.option("--socket", is_flag=True, help="A unix socket that only you can use, instead of a port.")
@debug_options
@output_option()
@click.pass_obj
def connect(state: State, name: str, port: int | None, socket: bool) -> None:
    """Open a local port to a connection, for psql and every other native client, until Ctrl-C.

    Each client that connects becomes one recorded session. It needs no password: the gateway logs in with the
    connection's own. Every user of this machine can reach the port; with --socket only you can.

    Ctrl-C ends it and its sessions. SIGTERM lets open sessions finish, for DRAIN_SECONDS (10) at the most.

    With -o json: one JSON line once the port is open, with `host` and `port`, or `socket`.

    \b
    Examples:
      penstock connect prod-db
      penstock connect prod-db --port 15432
      penstock connect prod-db --socket
    """
    if socket and port is not None:
        raise click.UsageError("--port and --socket exclude each other.")
    from penstock.cli.tunnel import open_tunnel

    raise_open_files()
    with told_to_stop() as stop, open_tunnel(state, name) as (tunnel, connection), ExitStack() as stack:
        if socket:
            place = _forward_socket(stack, tunnel, connection)
        else:
            place = _forward_port(tunnel, connection, port)
        _tell(state, connection, place)
        while not stop.is_set():
            if notice := tunnel.notices(_NOTICE_SECONDS):
                _pass_on(state, notice)
        _drain(state, tunnel, stop.at_once)
        if sys.stdout.isatty():
            click.echo()  # the terminal's ^C has no line of its own


def _drain(state: State, tunnel: Tunnel, at_once: threading.Event) -> None:
    """Opens no more sessions, and lets those that are open finish until a deadline or another signal."""
    seconds = environment.drain_seconds()
    deadline, told = time.monotonic() + seconds, False
    while not (at_once.is_set() or tunnel.drain(_NOTICE_SECONDS) or time.monotonic() > deadline):
        if not told:
            told = True
            waiting = f"waiting up to {seconds} s for open sessions; once more ends them"
            _pass_on(state, {"level": "notice", "message": waiting})
        while notice := tunnel.notices(0):
            _pass_on(state, notice)


def _forward_socket(stack: ExitStack, tunnel: Tunnel, connection: Json) -> dict[str, Json]:
    from penstock.cli.tunnel import POSTGRES_SOCKET, private_folder

    file = POSTGRES_SOCKET if connection["type"] == "postgres" else "socket"
    folder = stack.enter_context(private_folder(file))
    tunnel.forward(connection["name"], f"unix:{folder / file}")
    return {"socket": str(folder / file), "host": str(folder)}


def _forward_port(tunnel: Tunnel, connection: Json, port: int | None) -> dict[str, Json]:
    if port is None:
        port = _POSTGRES_PORT if connection["type"] == "postgres" and not _taken(_POSTGRES_PORT) else 0
    elif _taken(port):
        raise Refusal(
            f"Port {port} of 127.0.0.1 is taken.",
            hint="Choose another with --port, or leave it out for a free one.",
            code="conflict",
        )
    host, _, bound = tunnel.forward(connection["name"], f"127.0.0.1:{port}").rpartition(":")
    return {"host": host, "port": int(bound)}


def _taken(port: int) -> bool:
    with sockets.socket() as probe:
        probe.setsockopt(sockets.SOL_SOCKET, sockets.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EACCES:
                raise Refusal(f"Port {port} needs privileges.", hint="Choose one above 1023.") from error
            return True
    return False


def _tell(state: State, connection: Json, place: dict[str, Json]) -> None:
    how = _psql(connection, place) if connection["type"] == "postgres" else {}
    if state.json:
        click.echo(json.dumps({"connection": connection["name"], "type": connection["type"], **place, **how}))
        return
    where = place["socket"] if "socket" in place else f"{place['host']}:{place['port']}"
    click.echo(f"{clean(connection['name'])} is at {where} until Ctrl-C.\n")
    for line in how.values():
        click.echo(f"  {clean(line)}")
    if how:
        click.echo()


def _psql(connection: Json, place: dict[str, Json]) -> dict[str, str]:
    """The command and the URI for the connection, with the names that the server will use anyway."""
    env = connection.get("env") or {}
    user, database = env.get("USER") or "penstock", env.get("DB") or env.get("USER") or "postgres"
    port = f" -p {place['port']}" if "port" in place else ""
    command = f"psql -h {shlex.quote(place['host'])}{port} -U {shlex.quote(user)} -d {shlex.quote(database)}"
    if "socket" in place:
        return {
            "command": command,
            "uri": f"postgresql://{quote(user)}@/{quote(database)}?host={place['host']}",
        }
    authority = f"{quote(user, safe='')}@{place['host']}:{place['port']}"
    return {"command": command, "uri": f"postgresql://{authority}/{quote(database, safe='')}"}


def _pass_on(state: State, notice: Mapping[str, str | None]) -> None:
    if state.json:
        click.echo(json.dumps(dict(notice), ensure_ascii=False), err=True)
        return
    note(notice.get("level") or "error", str(notice.get("message")), colour="red")
    if hint := notice.get("hint"):
        note("hint", hint, colour="cyan")
