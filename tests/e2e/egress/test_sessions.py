"""Tunnels through the gateway's forward proxy, among its sessions."""

from __future__ import annotations

import json
import signal
import socket
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.e2e.egress.conftest import House, Scene
from tests.e2e.stack.api import Json
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.http2 import dial
from tests.e2e.stack.tunnel import Tunnel, tunnel
from tests.e2e.stack.waiting import until


def listed(house: House, principal: str, **query: Any) -> list[Json]:
    """The sessions of a caller, the latest first."""
    found: list[Json] = house.stack.api.get(
        "sessions", type="egress", principal=principal, limit=500, **query
    )["items"]
    return found


def session(house: House, caller: socket.socket) -> Json:
    """The session that belongs to this end of a tunnel, as soon as it is listed."""
    peer = "{}:{}".format(*caller.getsockname())

    def look() -> list[Json]:
        found: list[Json] = house.stack.api.get("sessions", type="egress", limit=500)["items"]
        return [one for one in found if one["peer"] == peer]

    return until(f"the tunnel of {peer} is listed", look)[0]


@pytest.fixture(scope="module")
def key(house: House) -> str:
    """Of the service account `lister`."""
    return house.key("lister", "build")


def test_a_tunnel_is_a_session_while_it_lasts_and_after(scene: Scene, house: House, key: str) -> None:
    target = f"origin.test:{scene.destination.port}"
    with tunnel(house.port, target, f"lister:{key}") as opened:
        found = session(house, opened.socket)
        assert (found["type"], found["status"], found["connection"]) == ("egress", "open", None)
        assert (found["target"], found["rule"], found["verdict"]) == (target, "build/origin", "allowed")
        assert found["peer"].startswith("127.0.0.1:") and found["ended_at"] is None
        assert opened.get() == HELLO
        until("its bytes are seen", lambda: session(house, opened.socket)["upstream_bytes"] > len(HELLO))
    ended = house.stack.api.ended(found["id"])
    assert (ended["status"], ended["reason"], ended["verdict"]) == ("closed", None, "allowed")
    assert ended["ended_at"] >= ended["started_at"] == found["started_at"]
    assert ended["client_bytes"] > 0 and ended["upstream_bytes"] > len(HELLO)
    line = until("its line", lambda: access_line(house, found["id"]))
    assert (line["kind"], line["principal"], line["sent_bytes"]) == (
        "tunnel",
        "lister",
        ended["client_bytes"],
    )
    assert listed(house, "lister")[0]["id"] == found["id"]


def access_line(house: House, session_id: str) -> Json | None:
    """The line about a session in the access log."""
    lines = house.stack.gateway.process.out.read_text("utf-8").split("\n")[:-1]
    read: list[Json] = [json.loads(line) for line in lines if session_id in line]
    return read[0] if read else None


def test_people_see_it_beside_the_others(scene: Scene, house: House, key: str) -> None:
    target = f"origin.test:{scene.destination.port}"
    with tunnel(house.port, target, f"lister:{key}") as opened:
        found = session(house, opened.socket)
        table = house.stack.cli.ok("sessions", "list", "--type", "egress", "--status", "open")
        assert target in table and found["id"] in table
        shown = house.stack.cli.ok("sessions", "get", found["id"])
        assert target in shown and "build/origin" in shown
        stranger = house.stack.user("stranger@example.com")
        assert stranger.json("sessions", "list") == []
    house.stack.api.ended(found["id"])
    refused = house.stack.cli.run("sessions", "replay", found["id"])
    assert refused.code == 1 and "access log" in refused.err


def test_a_kill_ends_it(scene: Scene, house: House, key: str) -> None:
    with tunnel(house.port, f"origin.test:{scene.destination.port}", f"lister:{key}") as opened:
        found = session(house, opened.socket)
        assert opened.get() == HELLO
        house.stack.cli.ok("sessions", "kill", found["id"])
        assert opened.ends()
    ended = house.stack.api.ended(found["id"])
    assert (ended["status"], ended["verdict"]) == ("killed", "cut")
    assert ended["reason"] == "killed by admin@test.example" and ended["upstream_bytes"] > len(HELLO)
    again = house.stack.api.http.post(f"sessions/{found['id']}/kill")
    assert again.status_code == 409


def test_an_upgraded_connection_is_one_too(house: House, websocket: int) -> None:
    user = house.key("upgrader", "local")
    with dial(house.port) as caller:
        caller.sendall(
            f"GET http://127.0.0.1:{websocket}/ HTTP/1.1\r\nhost: 127.0.0.1:{websocket}\r\n"
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
            "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            f"proxy-authorization: Bearer {user}\r\n\r\n".encode()
        )
        assert b" 101 " in caller.recv(4096)
        found = session(house, caller)
        assert (found["target"], found["rule"]) == (f"127.0.0.1:{websocket}", "local/any")
        house.stack.cli.ok("sessions", "kill", found["id"])
        assert Tunnel("", caller).ends()
    assert house.stack.api.ended(found["id"])["status"] == "killed"


def test_plain_requests_and_refusals_are_none(scene: Scene, house: House) -> None:
    user = f"plain:{house.key('plain', 'build')}"
    assert house.get(scene.url(), user).content == HELLO
    denied = f"other.test:{scene.destination.port}"
    with tunnel(house.port, denied, user) as refused:
        assert refused.status == 403
    with tunnel(house.port, f"origin.test:{scene.destination.port}", user) as opened:
        session(house, opened.socket)
    assert len(listed(house, "plain")) == 1


def test_many_at_once_are_all_listed_and_hold_nobody_up(scene: Scene, house: House) -> None:
    user, many = f"many:{house.key('many', 'build')}", 300
    target = f"origin.test:{scene.destination.port}"
    with ExitStack() as stack:
        for _ in range(many):
            stack.enter_context(tunnel(house.port, target, user))
        until("all are listed", lambda: len(listed(house, "many", status="open")) == many)
        assert house.stack.api.get("userinfo")["admin"]
        house.stack.cli.ok("admin", "update", "service-account", "many", "--disable")
    until("all have ended", lambda: not listed(house, "many", status="open"))
    ended = listed(house, "many")
    assert len(ended) == many and {one["status"] for one in ended} == {"killed"}
    assert len({one["id"] for one in ended}) == many


def test_a_stop_ends_them_in_order_and_a_crash_interrupts_them(scene: Scene, house: House, key: str) -> None:
    target, user = f"origin.test:{scene.destination.port}", f"lister:{key}"
    for end, status, reason in (
        (signal.SIGTERM, "closed", "was shut down"),
        (signal.SIGKILL, "interrupted", "stopped before the session ended"),
    ):
        with tunnel(house.port, target, user) as opened:
            found = session(house, opened.socket)
            assert found["status"] == "open"
            house.stack.gateway.process.signal(end)
            house.stack.gateway.process.wait()
            assert opened.ends()
        house.stack.mend()
        ended = house.stack.api.ended(found["id"])
        assert ended["status"] == status and reason in ended["reason"]


def test_they_are_counted(scene: Scene, house: House, key: str) -> None:
    with tunnel(house.port, f"origin.test:{scene.destination.port}", f"lister:{key}") as opened:
        found = session(house, opened.socket)
    house.stack.api.ended(found["id"])
    text = house.stack.gateway.admin("metrics").text
    assert 'penstock_sessions_ended_total{protocol="egress",status="closed"}' in text
    assert "penstock_egress_unlisted_total 0" in text


def test_an_unknown_type_is_refused(house: House) -> None:
    answer: httpx.Response = house.stack.api.http.get("sessions", params={"type": "egres"})
    assert answer.status_code == 422
