"""The data plane behind its façade."""

import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from penstock.clock import SystemClock
from penstock.domain.addresses import Address, parse_address
from penstock.domain.app import App, Route, Selector, SelectorKind
from penstock.domain.errors import Code, PenstockError
from penstock.domain.session import SessionStatus
from penstock.engine.decider import Reply
from penstock.engine.gateway import Gateway, GatewayConfig, Limits, PublicConfig, TunnelConfig
from penstock.identity.pki import OwnAuthority

from tests.unit.world import NOON


def _config(folder: Path, http: Address) -> GatewayConfig:
    identity = OwnAuthority(folder, SystemClock()).identity(["localhost", "127.0.0.1"])
    return GatewayConfig(
        http_listen=http,
        grpc_listen=Address("127.0.0.1", 0),
        admin_listen=None,
        api_socket=str(folder / "api.sock"),
        chain_pem=identity.chain_pem,
        key_pem=identity.key_pem,
        keepalive_seconds=15,
        ask_timeout_seconds=5,
        limits=Limits(
            connections=100,
            handshake_seconds=10,
            client_streams=100,
            header_fields=100,
            header_bytes=65_536,
            resets_per_minute=1_000,
        ),
    )


def _never(question: str, reply: Reply) -> None:
    raise AssertionError(f"nobody should have asked on {threading.current_thread().name}")


def test_a_gateway_binds_says_where_and_stops(tmp_path: Path) -> None:
    gateway = Gateway(_config(tmp_path, Address("127.0.0.1", 0)), _never)
    bound = gateway.start()
    try:
        assert parse_address(bound.http).port != 0
        assert (bound.admin, bound.tunnel) == (None, None)
        gateway.ready(True)
        assert gateway.agents() == {}
        assert gateway.sessions() == {}
        assert not gateway.kill("nothing", SessionStatus.KILLED, "why")
        assert (gateway.end_token("nothing"), gateway.end_agent("nothing")) == (0, 0)
        gateway.end_certificate("nothing")
        with pytest.raises(PenstockError, match="cannot listen") as taken:
            Gateway(_config(tmp_path, parse_address(bound.http)), _never).start()
        assert taken.value.code is Code.CONFLICT
        assert "HTTP_LISTEN" in str(taken.value.hint)
    finally:
        gateway.shutdown(0)


def test_a_gateway_that_does_not_run_says_so(tmp_path: Path) -> None:
    gateway = Gateway(_config(tmp_path, Address("127.0.0.1", 0)), _never)
    with pytest.raises(PenstockError, match="not running"):
        gateway.agents()
    gateway.shutdown(0)


def test_a_tunnel_port_is_bound_and_its_key_not_shown(tmp_path: Path) -> None:
    config = _config(tmp_path, Address("127.0.0.1", 0))
    free, ca_pem = Address("127.0.0.1", 0), (tmp_path / "ca" / "ca.pem").read_text()
    tunnel = TunnelConfig(free, config.chain_pem, config.key_pem, ca_pem)
    assert "PRIVATE KEY" not in repr(replace(config, tunnel=tunnel))
    gateway = Gateway(replace(config, tunnel=tunnel), _never)
    bound = gateway.start()
    gateway.shutdown(0)
    assert bound.tunnel is not None
    assert parse_address(bound.tunnel).port != 0


def _ask(port: int, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, trust_env=False)


def test_apps_are_published_on_a_port_of_their_own(tmp_path: Path) -> None:
    public = PublicConfig(Address("127.0.0.1", 0))
    gateway = Gateway(
        replace(_config(tmp_path, Address("127.0.0.1", 0)), trusted=("192.0.2.0/24",), public=public), _never
    )
    bound = gateway.start()
    try:
        port = parse_address(str(bound.public)).port
        assert _ask(port, "/", host="shop.test").status_code == 404
        kinds = [Selector(kind) for kind in (SelectorKind.ROUND_ROBIN, SelectorKind.POWER_OF_TWO)]
        kinds += [Selector(kind, "x") for kind in (SelectorKind.COOKIE, SelectorKind.HEADER)]
        for selector in (Selector(), *kinds):
            routes = (Route("shop.test"), Route("*.test", "/x"))
            app = App("i1", "shop", routes, ("w",), NOON, identify=True, selector=selector)
            gateway.publish([app])
        assert _ask(port, "/", host="shop.test").json()["code"] == "unauthenticated"
        login = _ask(port, "/a?b=1", host="shop.test", accept="text/html")
        assert (login.status_code, login.headers["location"]) == (303, "/.penstock/login?next=/a?b=1")
        gateway.forget_visitors()
        gateway.publish([replace(app, identify=False, routes=(Route("shop.test", "/x"),))])
        assert _ask(port, "/", host="shop.test").status_code == 404
        assert gateway.apps() == {}
    finally:
        gateway.shutdown(0)


def test_without_a_public_port_apps_change_nothing(tmp_path: Path) -> None:
    gateway = Gateway(_config(tmp_path, Address("127.0.0.1", 0)), _never)
    gateway.publish([])
    gateway.forget_visitors()
    assert gateway.apps() == {}
