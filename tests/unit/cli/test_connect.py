"""connect: ports, sockets, notices, and the ways to end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Shell

POSTGRES = {
    "name": "db",
    "type": "postgres",
    "agent": "office",
    "online": True,
    "env": {"USER": "app user", "DB": "shop"},
}
TCP = {"name": "cache", "type": "tcp", "agent": "office", "online": True, "env": {}}


@pytest.fixture
def connected(signed_in: Shell) -> Shell:
    """A command line whose connect ends by itself, by the signal that ends it in life."""
    signed_in.gateway.answers |= {"GET /connections/db": POSTGRES, "GET /connections/cache": TCP}

    def end() -> None:
        if not signed_in.tunnel.waiting:
            os.kill(os.getpid(), signal.SIGTERM)

    signed_in.tunnel.on_notices = end
    return signed_in


def taken_port() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def test_a_signal_is_the_way_to_end_it(connected: Shell) -> None:
    before = signal.getsignal(signal.SIGTERM)
    result = connected("connect", "db", "--port", "0")
    assert result.code == 0
    assert connected.tunnel.closed
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_waits_for_open_sessions(connected: Shell) -> None:
    left = [False, False, True]
    connected.tunnel.on_drain = lambda: left.pop(0)

    def end_once() -> None:
        connected.tunnel.on_notices = None
        os.kill(os.getpid(), signal.SIGTERM)

    connected.tunnel.on_notices = end_once
    result = connected("connect", "db", "--port", "0", "-o", "json")
    assert (result.code, left) == (0, [])
    told = [json.loads(line) for line in result.err.splitlines()]
    assert [(line["level"], "open sessions" in line["message"]) for line in told] == [("notice", True)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_does_not_wait(connected: Shell, number: signal.Signals) -> None:
    def never() -> bool:
        os.kill(os.getpid(), number)
        return False

    connected.tunnel.on_drain = never
    assert connected("connect", "db", "--port", "0").code == 0
    assert connected.tunnel.closed


def test_the_deadline_ends_the_waiting(connected: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAIN_SECONDS", "0")
    connected.tunnel.on_drain = lambda: False
    assert connected("connect", "db", "--port", "0").code == 0
    monkeypatch.setenv("DRAIN_SECONDS", "soon")
    result = connected("connect", "db", "--port", "0")
    assert result.code == 1 and "DRAIN_SECONDS" in result.err


def test_ctrl_c_waits_for_nobody(connected: Shell) -> None:
    connected.tunnel.on_notices = lambda: os.kill(os.getpid(), signal.SIGINT)
    connected.tunnel.on_drain = lambda: pytest.fail("it waited")
    assert connected("connect", "db", "--port", "0").code == 0


def test_it_prints_the_lines_to_use(connected: Shell) -> None:
    out = connected("connect", "db", "--port", "0").out
    assert "psql -h 127.0.0.1 -p 49999 -U 'app user' -d shop" in out
    assert "postgresql://app%20user@127.0.0.1:49999/shop" in out


def test_for_programs_it_is_one_line(connected: Shell) -> None:
    result = connected("connect", "db", "--port", "0", "-o", "json")
    (line,) = result.out.splitlines()
    answer = json.loads(line)
    assert (answer["host"], answer["port"], answer["type"]) == ("127.0.0.1", 49999, "postgres")


def test_the_default_port_gives_way(connected: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    with taken_port() as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("penstock.cli.connect._POSTGRES_PORT", port)
        assert connected("connect", "db").code == 0
        assert connected.tunnel.forwards == [("db", "127.0.0.1:0")]
    connected.tunnel.forwards.clear()
    assert connected("connect", "db").code == 0
    assert connected.tunnel.forwards == [("db", f"127.0.0.1:{port}")]


def test_a_port_that_was_asked_for_does_not(connected: Shell) -> None:
    with taken_port() as taken:
        port = taken.getsockname()[1]
        result = connected("connect", "db", "--port", str(port))
    assert result.code == 1
    assert f"Port {port} of 127.0.0.1 is taken." in result.err
    assert connected.tunnel.forwards == []


def test_tcp_has_an_address_and_no_psql(connected: Shell) -> None:
    out = connected("connect", "cache").out
    assert "cache is at 127.0.0.1:49999" in out
    assert "psql" not in out


def test_a_socket_is_in_a_private_folder_while_it_lasts(connected: Shell) -> None:
    modes: list[int] = []
    end = connected.tunnel.on_notices

    def look() -> None:
        folder = Path(connected.tunnel.forwards[0][1].removeprefix("unix:")).parent
        modes.append(stat.S_IMODE(folder.stat().st_mode))
        assert end is not None
        end()

    connected.tunnel.on_notices = look
    result = connected("connect", "db", "--socket", "-o", "json")
    assert result.code == 0
    assert modes == [0o700]
    place = result.json["socket"]
    assert place.endswith("/.s.PGSQL.5432")
    assert result.json["command"].startswith(f"psql -h {Path(place).parent} -U")
    assert not Path(place).parent.exists()


def test_a_socket_path_is_never_too_long(
    connected: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    result = connected("connect", "db", "--socket", "-o", "json")
    assert len(result.json["socket"]) < 104


def test_what_goes_wrong_with_a_stream_is_told_as_it_comes(connected: Shell) -> None:
    notices: list[dict[str, str | None]] = [
        {"level": "error", "message": "database refused", "hint": "is it up?"},
        {"level": "warning", "message": "link lost", "hint": None},
    ]
    connected.tunnel.waiting = list(notices)
    result = connected("connect", "db", "--port", "0")
    assert result.err == "error: database refused\nhint: is it up?\nwarning: link lost\n"
    connected.tunnel.waiting = list(notices)
    result = connected("connect", "db", "--port", "0", "-o", "json")
    assert [json.loads(line) for line in result.err.splitlines()] == notices


def test_port_and_socket_exclude_each_other(connected: Shell) -> None:
    assert connected("connect", "db", "--port", "1", "--socket").code == 2


def test_what_is_unknown_is_refused(connected: Shell) -> None:
    result = connected("connect", "other")
    assert result.code == 1
    assert connected.tunnel.forwards == []
    assert connected.tunnel.settings == {}


def test_the_engine_gets_the_logins_trust(connected: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    connected.log_in(grpc_ca_pin="sha256:ab")
    assert connected("connect", "db", "--port", "0").code == 0
    expected = {
        "url": "grpcs://gateway.test:8010",
        "token": "pst_test",
        "ca_pin": "sha256:ab",
        "ca_pem": None,
        "server_name": None,
        "https_proxy": None,
        "no_proxy": None,
        "insecure": False,
        "keepalive_seconds": 15,
    }
    assert connected.tunnel.settings == expected
    monkeypatch.setenv("TLS_SERVER_NAME", "inside.test")
    monkeypatch.setenv("LINK_KEEPALIVE_SECONDS", "20")
    monkeypatch.setenv("https_proxy", "proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    connected.log_in(insecure="yes")
    assert connected("connect", "db", "--port", "0").code == 0
    assert connected.tunnel.settings == {
        **expected,
        "ca_pin": None,
        "server_name": "inside.test",
        "https_proxy": "proxy.test:3128",
        "no_proxy": "localhost",
        "insecure": True,
        "keepalive_seconds": 20,
    }


@pytest.mark.parametrize("value", ["0", "3601", "soon", "-1", "1.5", "٣"])
def test_a_keepalive_that_is_none(connected: Shell, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LINK_KEEPALIVE_SECONDS", value)
    result = connected("connect", "db", "--port", "0")
    assert result.code == 1
    assert "LINK_KEEPALIVE_SECONDS" in result.err and "1 to 3600" in result.err
    assert connected.tunnel.settings == {}
