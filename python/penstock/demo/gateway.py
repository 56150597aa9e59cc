"""The demo's gateway and agent: two processes of `penstock start`, set up through the API as by anybody."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from penstock import settings
from penstock.cli.api import Api
from penstock.cli.client import signed_in
from penstock.cli.errors import Refusal
from penstock.cli.gateway import Gateway
from penstock.cli.signin import sign_in
from penstock.cli.state import State
from penstock.cli.trust import pin_of
from penstock.cli.types import Json
from penstock.demo.listen import Listen
from penstock.demo.processes import Child, Processes
from penstock.demo.secrets import Secrets

ADMIN = "admin@demo.example"
AGENT = "demo-agent"
CONNECTION = "demo-pg"

_READY_SECONDS = 60.0
# What may pass from the user's environment to the demo's processes; all other settings are the demo's.
_KEPT = frozenset({"LOG_ENCODING", "LOG_LEVEL", "LOG_GRPC", "LINK_KEEPALIVE_SECONDS"})


def environment(home: Path) -> dict[str, str]:
    """The user's environment without what belongs to a real gateway, agent or login."""
    foreign = {*settings.names(), "PENSTOCK_TOKEN"} - _KEPT
    inherited = {name: value for name, value in os.environ.items() if name not in foreign}
    return {**inherited, "PENSTOCK_HOME": str(home)}


class DemoGateway:
    """The gateway of one demo home."""

    def __init__(self, home: Path, listen: Listen, processes: Processes, secrets: Secrets) -> None:
        self.state = State(home=home)
        self._listen = listen
        self._processes = processes
        self._secrets = secrets

    def start(self) -> str:
        """Starts it and waits until it says that it is well; returns its version."""
        variables = {
            **self._listen.environment(),
            "PENSTOCK_ADMIN_EMAIL": ADMIN,
            "PENSTOCK_ADMIN_PASSWORD": self._secrets.admin,
            "DRAIN_SECONDS": "2",
        }
        child = self._start("gateway", variables)
        # Questions without a secret, before there is a login: nothing is verified, nothing is believed.
        with Api(self._listen.api_url, verify=False) as api:
            child.wait_until("the gateway answers", lambda: _is_well(api), _READY_SECONDS)
            return str(api.get("serverinfo")["version"])

    def log_in(self) -> None:
        """Logs the demo's administrator in, trusting the CA that the gateway keeps in this very home."""
        pin = pin_of((self.state.home / "ca" / "ca.pem").read_text("ascii"))
        body = {"email": ADMIN, "password": self._secrets.admin}
        where = Gateway(api_url=self._listen.api_url, ca_pin=pin, keyring=False)
        try:
            sign_in(self.state, where, lambda api, _info: dict(api.post("login", body=body)))
        except Refusal as error:
            if error.code != "unauthenticated":
                raise
            raise Refusal(
                "The demo's gateway does not know the demo's administrator.",
                hint=f"Begin anew: delete {self.state.home}",
            ) from error

    def make_agent(self, grpc_url: str) -> str:
        """The agent's key: the one that is kept if the gateway knows the agent, else a new one."""
        with signed_in(self.state) as api:
            known = any(agent["name"] == AGENT for agent in api.get("agents"))
            if known and self._secrets.agent_key:
                return moved(self._secrets.agent_key, grpc_url)
            if known:
                _delete(api, "connections", CONNECTION)
                api.delete("agents", AGENT)
            return str(api.post("agents", body={"name": AGENT})["key"])

    def start_agent(self, key: str) -> None:
        """Starts the agent and waits until the gateway has its links."""
        child = self._start("agent", {"PENSTOCK_KEY": key})
        with signed_in(self.state) as api:
            child.wait_until("the agent is online", lambda: _online(api), _READY_SECONDS)

    def make_connection(self, env: Mapping[str, str]) -> None:
        """Makes the connection, anew if it leads elsewhere."""
        with signed_in(self.state) as api:
            for known in api.get("connections"):
                if known["name"] == CONNECTION:
                    if known["agent"] == AGENT and _same(known["env"], env):
                        return
                    api.delete("connections", CONNECTION)
            body = {"name": CONNECTION, "type": "postgres", "agent": AGENT, "env": dict(env), "groups": []}
            api.post("connections", body=body)

    def last_session(self) -> Json:
        """The latest session on the connection."""
        with signed_in(self.state) as api:
            return api.get("sessions", connection=CONNECTION, limit=1)["items"][0]

    def _start(self, role: str, variables: Mapping[str, str]) -> Child:
        command = [sys.executable, "-m", "penstock", "start", role]
        return self._processes.start(role, command, {**environment(self.state.home), **variables})


def moved(key: str, grpc_url: str) -> str:
    """The key with the address that the gateway has now."""
    old, new = urlsplit(key), urlsplit(grpc_url)
    return old._replace(scheme=new.scheme, netloc=f"{old.username}:{old.password}@{new.netloc}").geturl()


def _is_well(api: Api) -> bool:
    try:
        return bool(api.get("healthz")["status"] == "ok")
    except Refusal:
        return False


def _online(api: Api) -> bool:
    return bool(api.get("agents", AGENT)["status"] == "online")


def _same(known: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """True if all that may be seen of a connection's settings is as wanted."""
    return all(known.get(name) in (value, "***") for name, value in wanted.items())


def _delete(api: Api, resource: str, name: str) -> None:
    try:
        api.delete(resource, name)
    except Refusal as error:
        if error.code != "not-found":
            raise
