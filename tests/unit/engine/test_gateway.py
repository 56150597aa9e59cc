"""The data plane behind its façade."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from penstock.clock import SystemClock
from penstock.domain.addresses import Address, parse_address
from penstock.domain.errors import Code, PenstockError
from penstock.domain.session import SessionStatus
from penstock.engine.decider import Reply
from penstock.engine.gateway import Gateway, GatewayConfig, Limits, TunnelConfig
from penstock.identity.pki import OwnAuthority


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
