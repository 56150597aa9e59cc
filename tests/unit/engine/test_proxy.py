"""A proxy behind its façade."""

import json

import pytest
from penstock.domain.errors import Code, PenstockError
from penstock.engine.proxy import (
    Allowed,
    AttachedWorker,
    Forwarding,
    Proxy,
    ProxyConfig,
    Public,
    Route,
    Selector,
    Tunnel,
    read_select,
    read_worker,
)

WORKER = {
    "name": "one",
    "names": ["one", "uno"],
    "common_name": None,
    "fingerprint": "ab",
    "group": "shop",
    "links": 2,
    "in_flight": 1,
    "requests": 7,
    "since": 0,
}


def test_the_core_is_told_all_of_it() -> None:
    config = ProxyConfig(
        tunnels=(Tunnel("127.0.0.1:1", "CHAIN", "CA", "hush", (Allowed("shop-*", "shop"),), ("rh2", "h2")),),
        public=(Public("127.0.0.1:2"), Public("127.0.0.1:3", "CHAIN", "hush", behind_tls=True)),
        routes=(Route("cart", "shop.example", "/cart"),),
        selector=Selector("cookie", "seat"),
        forwarding=Forwarding(retries=1, access_log=True),
        trusted=("10.0.0.0/8",),
        admin_listen="127.0.0.1:4",
    )
    assert "hush" not in repr(config)
    assert json.loads(config.as_json()) == {
        "tunnels": [
            {
                "listen": "127.0.0.1:1",
                "cert_pem": "CHAIN",
                "key_pem": "hush",
                "workers_ca_pem": "CA",
                "allow": [{"name": "shop-*", "group": "shop"}],
                "flavours": ["rh2", "swap"],
            }
        ],
        "public": [
            {"listen": "127.0.0.1:2", "tls": None, "behind_tls": False},
            {"listen": "127.0.0.1:3", "tls": {"cert_pem": "CHAIN", "key_pem": "hush"}, "behind_tls": True},
        ],
        "admin_listen": "127.0.0.1:4",
        "table": {
            "routes": [{"host": "shop.example", "path": "/cart", "group": "cart", "connect": False}],
            "groups": [
                {"name": name, "selector": {"kind": "cookie", "name": "seat"}}
                for name in ("cart", "default", "shop")
            ],
        },
        "forwarding": {
            "head_seconds": 60,
            "idle_seconds": 3600,
            "wait_milliseconds": 2000,
            "waiting": 1000,
            "retries": 1,
            "streams": 1000,
            "keepalive_seconds": 15,
            "handshake_seconds": 10,
            "access_log": True,
        },
        "limits": {"trusted": ["10.0.0.0/8"]},
    }


def test_what_the_core_tells_is_read() -> None:
    worker = read_worker(json.dumps(WORKER))
    assert isinstance(worker, AttachedWorker)
    assert (worker.names, worker.since.year, worker.links) == (("one", "uno"), 1970, 2)
    asked = {
        "method": "GET",
        "host": None,
        "target": "/x?y",
        "headers": [["x-tenant", "a"], ["x-tenant", "b"]],
        "workers": [WORKER],
    }
    request, workers = read_select(json.dumps(asked))
    assert (request.header("X-Tenant"), request.header("accept"), request.target) == ("a", None, "/x?y")
    assert workers == (worker,)


def test_what_the_core_refuses_is_an_error_of_ours() -> None:
    config = ProxyConfig(tunnels=(Tunnel("127.0.0.1:0", "no chain", "no authority", "no key"),))
    proxy = Proxy(config, lambda _event, _worker: None)
    with pytest.raises(PenstockError) as unusable:
        proxy.start()
    assert unusable.value.code is Code.MALFORMED
    routes = (Route(host="a"), Route(host="A"))
    proxy = Proxy(ProxyConfig(tunnels=(), routes=routes), lambda _event, _worker: None)
    with pytest.raises(PenstockError) as twice:
        proxy.start()
    assert twice.value.code is Code.CONFLICT
