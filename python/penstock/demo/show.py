"""The demo from its first step to its last."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import click

from penstock.cli import config as configs
from penstock.cli.errors import Refusal
from penstock.cli.output import write_json
from penstock.cli.types import Json
from penstock.demo.account import database_account
from penstock.demo.ending import Ending
from penstock.demo.gateway import ADMIN, CONNECTION, DemoGateway, environment
from penstock.demo.leftovers import Register, only_one
from penstock.demo.listen import chosen
from penstock.demo.postgres import DATABASE, ROLE, Passwords, Postgres
from penstock.demo.processes import Processes
from penstock.demo.secrets import Secrets
from penstock.demo.steps import Steps
from penstock.demo.words import commands, farewell, offline, recording

QUERY = """SELECT p.city, count(*) AS orders, sum(o.total) AS revenue
FROM orders AS o JOIN people AS p ON p.id = o.person_id
GROUP BY p.city ORDER BY revenue DESC LIMIT 5"""

_EXEC_SECONDS = 120
_RECORDED_SECONDS = 15.0
_WATCH_SECONDS = 0.5
# sun_path, see unix(7), less the socket's name.
_SOCKET_FOLDER_BYTES = 103 - len("/.s.PGSQL.5432")


class Demo:
    """One run of the demo in one home."""

    def __init__(self, home: Path, ending: Ending, *, as_json: bool) -> None:
        self._home = home
        self._ending = ending
        self._json = as_json
        self._steps = Steps(err=as_json)

    def run(self, once: bool) -> None:
        """Does everything, and stays until it is interrupted unless `once`. Nothing is left running."""
        with ExitStack() as stack:
            stack.enter_context(only_one(self._home / "demo.lock"))
            register = Register(self._home / "processes.json")
            self._clear(register)
            listen = chosen()
            listen.require_free()
            processes = Processes(self._home / "logs", register, self._ending)
            stack.callback(self._stop, processes)
            secrets = Secrets.load(self._home / "demo.json")
            postgres = self._database(processes, secrets)
            gateway = DemoGateway(self._home, listen, processes, secrets)
            self._serve(gateway, secrets, postgres)
            self._query()
            self._tell(gateway, once)
            if not once:
                self._stay(processes)

    def _clear(self, register: Register) -> None:
        if left := register.end_leftovers():
            click.echo(f"  Ended what an earlier demo left running: {', '.join(left)}.", err=self._json)

    def _database(self, processes: Processes, secrets: Secrets) -> Postgres:
        with self._steps.step("database") as step:
            folder = self._home / "postgres"
            passwords = Passwords(secrets.superuser, secrets.role)
            postgres = Postgres(folder, socket_folder(folder / "run"), database_account(), passwords)
            postgres.start(processes)
            step.outcome = f"PostgreSQL {postgres.version()}, a shop of {postgres.fill():,} rows"
        return postgres

    def _serve(self, gateway: DemoGateway, secrets: Secrets, postgres: Postgres) -> None:
        with self._steps.step("gateway") as step:
            version = gateway.start()
            gateway.log_in()
            config = configs.load(self._home)
            step.outcome = f"penstock {version} at {config.api_url}, logged in as {ADMIN}"
        with self._steps.step("agent") as step:
            key = gateway.make_agent(config.grpc_url)
            secrets.with_key(key, self._home / "demo.json")
            gateway.start_agent(key)
            step.outcome = f"dialled out to {config.grpc_url}"
        with self._steps.step("connection") as step:
            gateway.make_connection(
                {
                    "HOST": str(postgres.socket),
                    "PORT": "5432",
                    "USER": ROLE,
                    "PASS": secrets.role,
                    "DB": DATABASE,
                    "SSLMODE": "disable",
                }
            )
            step.outcome = f"{CONNECTION}, through the agent; its password stays in the gateway"

    def _query(self) -> None:
        command = [sys.executable, "-m", "penstock", "exec", CONNECTION, "-i", QUERY]
        click.echo(f'\n$ penstock exec {CONNECTION} -i "{QUERY}"\n', err=self._json)
        done = subprocess.run(
            command,
            env=environment(self._home),
            capture_output=True,
            text=True,
            check=False,
            timeout=_EXEC_SECONDS,
        )
        click.echo(done.stdout + done.stderr, nl=False, err=self._json)
        if done.returncode:
            raise Refusal("The query through penstock exec failed; the lines above say why.")

    def _tell(self, gateway: DemoGateway, once: bool) -> None:
        session, file = self._recorded(gateway)
        lines = offline(self._home, file) if once else commands(self._home, session["id"])
        if self._json:
            api_url = configs.load(self._home).api_url
            about = {"home": str(self._home), "api_url": api_url, "connection": CONNECTION}
            write_json({**about, "session": session, "recording": str(file), "commands": lines})
        else:
            click.echo(f"That was session {session['id']}, recorded in\n  {file}\n\n{farewell(lines)}")

    def _recorded(self, gateway: DemoGateway) -> tuple[Json, Path]:
        """The query's session, once it is closed, and its recording in its place."""
        deadline = time.monotonic() + _RECORDED_SECONDS
        while True:
            session = gateway.last_session()
            file = recording(self._home, session["id"])
            if file and session["status"] != "open":
                return session, file
            if time.monotonic() > deadline:
                raise Refusal(
                    f"The recording of session {session['id']} is not there.",
                    hint=f"The gateway's log may say why: {self._home / 'logs' / 'gateway.log'}",
                )
            time.sleep(_WATCH_SECONDS / 5)

    def _stay(self, processes: Processes) -> None:
        click.echo("\nCtrl-C ends the demo; nothing keeps running.", err=self._json)
        try:
            while True:
                processes.require_running()
                time.sleep(_WATCH_SECONDS)
        except KeyboardInterrupt:
            click.echo("", err=self._json)

    def _stop(self, processes: Processes) -> None:
        self._ending.begin()
        processes.stop()


def socket_folder(wanted: Path) -> Path:
    """The folder, or where its path is too long for a socket, always the same one with a short path."""
    if len(bytes(wanted)) <= _SOCKET_FOLDER_BYTES:
        return wanted
    digest = hashlib.sha256(bytes(wanted)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"penstock-demo-{digest}"
