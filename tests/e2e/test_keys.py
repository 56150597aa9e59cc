"""Keys in the wrong hands: what each of them opens, and what it does not."""

from __future__ import annotations

from functools import partial

import grpc
import httpx
import psycopg
import pytest
from h2.events import RemoteSettingsChanged

from tests.e2e.stack.carried import agent, carried, refusal, user
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.http2 import Http2
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Process
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

pytestmark = pytest.mark.usefixtures("nothing_leaks")

DENIED = grpc.StatusCode.UNAUTHENTICATED
CLIENT_PORTS = ("grpc_port", "http_port")


def secret_of(stack: Stack, name: str) -> str:
    """The secret in an agent's key."""
    return stack.keys[name].partition("@")[0].rpartition(":")[2]


@pytest.mark.parametrize("port", CLIENT_PORTS)
def test_an_agents_key_is_no_users_token(stack: Stack, port: str) -> None:
    """Neither for a link nor for the API."""
    stolen = secret_of(stack, AGENT)
    assert refusal(getattr(stack.gateway, port), user(stolen)) is DENIED
    with stack.gateway.api(stolen) as api:
        for path in ("connections", "sessions", "agents", "users"):
            assert api.http.get(path).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("port", CLIENT_PORTS)
def test_a_users_token_is_no_agents_key(stack: Stack, port: str) -> None:
    """An administrator's neither: for an agent that there is, and for one that there is not."""
    token = stack.api.token or ""
    links = stack.api.get(f"agents/{AGENT}")["links"]
    for name in (AGENT, "nobody", ""):
        assert refusal(getattr(stack.gateway, port), agent(name, token)) is DENIED
    assert stack.api.get(f"agents/{AGENT}")["links"] == links


def test_an_agents_key_names_that_agent_alone(stack: Stack) -> None:
    """Another's name with one's own secret; one's own name in other spellings."""
    stack.keys["rogue"] = stack.api.post("agents", name="rogue")["key"]
    secret = secret_of(stack, "rogue")
    for name in (AGENT, "ROGUE", "roguex", "*"):
        assert refusal(stack.gateway.grpc_port, agent(name, secret)) is DENIED
    assert refusal(stack.gateway.grpc_port, agent("rogue", secret)) is grpc.StatusCode.OK


def test_an_agent_that_asks_as_a_user_does(stack: Stack) -> None:
    """It is there to answer: whoever asks on its link loses it, and nothing was opened."""
    stack.keys["curious"] = stack.api.post("agents", name="curious")["key"]
    before = stack.api.newest()
    with (
        carried(stack.gateway.grpc_port, agent("curious", secret_of(stack, "curious"))) as bytes_,
        Http2(bytes_, client=True).begin() as asking,
    ):
        head = {":method": "CONNECT", ":protocol": "session", ":scheme": "https", ":path": "/db"}
        asking.headers([(name.encode(), value.encode()) for name, value in head.items()], end=False)
        asking.wait_for_end(60)
    assert stack.api.newest() == before
    stack.wait_for_agent("offline", "curious")


def test_a_user_that_answers_as_an_agent_does(stack: Stack) -> None:
    """A client's link serves nobody: it is asked for nothing, and no agent is online by it."""
    with (
        carried(stack.gateway.grpc_port, user(stack.api.token or "")) as bytes_,
        Http2(bytes_, client=True).begin() as link,
    ):
        link.event(RemoteSettingsChanged)
        head = {":method": "CONNECT", ":authority": "127.0.0.1:1"}
        stream = link.headers([(name.encode(), value.encode()) for name, value in head.items()], end=False)
        assert link.answer(stream).status == httpx.codes.NOT_FOUND


def test_two_agents_with_one_key(stack: Stack, postgres: Postgres, application: str) -> None:
    """They are one agent: either carries its sessions, and what deletes it ends both."""
    name = "twins"
    first = stack.agent(name)
    second = stack.start_agent(name)
    until("both hold their links", lambda: stack.api.get(f"agents/{name}")["links"] == 8)
    port = stack.forward(stack.connection("through-twins", postgres.env(), agent=name)).port
    first.kill()
    until("one is left", lambda: stack.api.get(f"agents/{name}")["links"] == 4)
    assert psql(port, application, "-Atc", "SELECT 1").out == "1\n"
    third = stack.start_agent(name)
    until("both hold their links", lambda: stack.api.get(f"agents/{name}")["links"] == 8)
    with connect(port, f"{application}-live") as client:
        session = stack.api.session(f"{application}-live")["id"]
        stack.api.delete(f"agents/{name}")
        ended = stack.api.ended(session)
        assert (ended["status"], ended["reason"]) == ("killed", "its agent was deleted")
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    for process in (second, third):
        until("it says why", partial(says, process, "the agent was deleted"))
        assert process.stop() == 0


def says(process: Process, words: str) -> bool:
    """Whether its log has these words."""
    return words in process.log.read_text("utf-8")
