"""Resources, as the core is told them."""

from pathlib import Path
from typing import Any

import pytest
from penstock.domain.errors import PenstockError
from penstock.egress.load import Overrides, compile_file
from penstock.egress.part import Folder

from tests.unit.egress.resources.documents import (
    BREAKERS,
    BY_HEADER,
    ENABLED,
    TUNNEL_GATEWAY,
    TUNNELS,
    service,
    together,
)

FORWARD = "[{routeAction: {dynamicForwardProxy: {}}}]"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "egress.yaml"


def compiled(path: Path, *documents: str) -> dict[str, Any]:
    path.write_text(together(*documents))
    return compile_file(path, Overrides(), Folder(path.parent))


def refusal(path: Path, *documents: str) -> str:
    with pytest.raises(PenstockError) as caught:
        compiled(path, *documents)
    return f"{caught.value.message} | {caught.value.hint}"


def test_the_destination_stands_in_a_header(written: Path) -> None:
    shape = compiled(written, ENABLED, BY_HEADER)
    (port,) = shape["listeners"]
    assert (port["address"], port["name"], port["connect"]) == ("[::]:8080", "gateway-proxy", False)
    forward, end = shape["routes"]
    assert forward["name"] == "gloo-system/test-static route-1"
    assert forward["match"]["domains"] == ["foo"] and forward["match"]["connect"] is False
    assert forward["act"]["host"] == {"from": "header", "name": "x-rewrite-me"}
    assert (end["act"]["kind"], end["match"]["domains"]) == ("deny", ["foo"])
    assert shape["callers"]["anonymous"] and shape["default_action"] == "allow"


def test_tunnels_are_terminated(written: Path) -> None:
    shape = compiled(written, TUNNEL_GATEWAY, TUNNELS)
    assert shape["listeners"][0]["connect"] is True
    assert (shape["dns"]["family"], shape["dns"]["host_ttl_ms"]) == ("V4_ONLY", 86_400_000)
    (route,) = shape["routes"]
    assert route["match"]["connect"] is True and route["match"]["path"] is None
    assert route["act"]["host"] == {"from": "request"} and route["act"]["terminate_connect"] is True


def test_breakers_are_patched_in(written: Path) -> None:
    shape = compiled(written, TUNNEL_GATEWAY, TUNNELS, BREAKERS)
    assert shape["breakers"]["overall"] == {
        "connections": 40_000,
        "pending": 40_000,
        "requests": 40_000,
        "retries": 40_000,
        "track_remaining": True,
    }
    assert shape["breakers"]["destination"] == shape["breakers"]["overall"]
    assert shape["dns"]["family"] == "V4_ONLY"


def test_the_dns_cache_is_told_whole(written: Path) -> None:
    patch = """
spec:
  httpGateway:
    options:
      dynamicForwardProxy:
        dnsCacheConfig:
          dnsRefreshRate: 30s
          maxHosts: 10
          dnsFailureRefreshRate: {baseInterval: 2s, maxInterval: 20s}
          dnsCacheCircuitBreaker: {maxPendingRequests: 7}
          dnsQueryTimeout: 1.5s
          preresolveHostnames: [{address: Example.com, portValue: 443}]
          caresDns:
            resolvers: [{socketAddress: {address: 10.0.0.2, portValue: 5353}}]
            dnsResolverOptions: {useTcpForDnsLookups: true, noDefaultSearchDomain: true}
"""
    dns = compiled(written, patch, service("a", "['*']", FORWARD))["dns"]
    assert dns["family"] == "V4_PREFERRED"
    assert (dns["refresh_ms"], dns["max_hosts"], dns["query_timeout_ms"]) == (30_000, 10, 1500)
    assert dns["failure_backoff"] == {"base_ms": 2000, "max_ms": 20_000}
    assert (dns["max_pending_queries"], dns["preresolve"]) == (7, ["example.com"])
    assert dns["resolvers"] == [{"address": "10.0.0.2:5353", "transport": "tcp", "tls_name": None}]
    assert dns["search"] is False


def test_labels_select(written: Path) -> None:
    other = service("other", "[bar]", FORWARD)
    routes = compiled(written, TUNNEL_GATEWAY, TUNNELS, other)["routes"]
    assert [route["name"] for route in routes] == ["gloo-system/forward-proxy-vs route-1"]
    assert "selects none" in refusal(written, TUNNEL_GATEWAY, other)


def test_the_port_shows_a_certificate(written: Path) -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
    (written.parent / "tls.pem").write_text(pem)
    ssl = "  sslConfig: {sslFiles: {tlsCert: tls.pem, tlsKey: tls.pem}}\n"
    patch = ENABLED + "  ssl: true\n  useProxyProto: true\n"
    (port,) = compiled(written, patch, service("a", "[a]", FORWARD, ssl))["listeners"]
    assert port["tls"] == {"cert_pem": pem, "key_pem": pem, "client_ca_pem": None}
    assert port["proxy_protocol"] == ["0.0.0.0/0", "::/0"]
    secret = "  sslConfig: {secretRef: {name: tls}}\n"
    assert "write sslFiles" in refusal(written, patch, service("a", "[a]", FORWARD, secret))


def test_what_the_cluster_notes_is_no_fault(written: Path) -> None:
    noted = TUNNELS.replace("  labels:", "  uid: x\n  generation: 3\n  annotations: {a: b}\n  labels:")
    assert compiled(written, TUNNEL_GATEWAY, noted + "status: {statuses: {}}\n")["routes"]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        ((BY_HEADER,), "there is no Gateway that enables dynamicForwardProxy"),
        ((TUNNEL_GATEWAY, TUNNEL_GATEWAY, TUNNELS), ":28: there is another Gateway of this name"),
        ((TUNNEL_GATEWAY.replace("hostTtl", "hostTTL"), TUNNELS), ":15: spec.httpGateway.options"),
        ((TUNNEL_GATEWAY.replace("86400s", "1 day"), TUNNELS), ":15: spec.httpGateway"),
        (
            (TUNNEL_GATEWAY.replace("dnsLookupFamily: V4_ONLY", "appleDns: {}"), TUNNELS),
            "not a Mac's resolver",
        ),
        ((TUNNEL_GATEWAY, TUNNELS + "extra: 1\n"), "extra is not known"),
        ((ENABLED, "\nkind: Upstream\n"), ":7: resources of kind 'Upstream' are not read"),
        ((ENABLED, "\nkind: &a VirtualService\nx: *a\n"), ":8: this cannot be read: aliases are not read"),
        ((ENABLED, "\nkind: VirtualService\nkind: VirtualService\n"), ":8: this cannot be read: a key is"),
        ((ENABLED, "\n- a\n"), ":7: this cannot be read: a resource is a table"),
        ((ENABLED, "\na: [b\n"), "this cannot be read"),
        ((ENABLED, "\na: " + "[" * 5000), "this is not YAML: it is nested too deeply"),
        (("\nspec: {httpGateway: {}}\n", BY_HEADER), "does not enable dynamicForwardProxy"),
    ],
)
def test_what_is_wrong_is_refused_at_its_line(written: Path, documents: tuple[str, ...], said: str) -> None:
    assert said in refusal(written, *documents)


def test_a_toml_file_adds_callers_and_rules(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(together(TUNNEL_GATEWAY, TUNNELS))
    path = tmp_path / "egress.toml"
    text = 'resources = "gateway.yaml"\nanonymous = true\n[[rule]]\nallow = "*.example.com"\n'
    path.write_text(text)
    result = compile_file(path, Overrides(listen="127.0.0.1:0"), folder := Folder(tmp_path))
    assert result["listeners"][0]["address"] == "127.0.0.1:0"
    assert result["default_action"] == "deny" and result["routes"]
    assert list(folder.read) == [path, tmp_path / "gateway.yaml"]
    path.write_text(text + "[dns]\nsearch = true\n")
    with pytest.raises(PenstockError, match=r"egress\.toml:5: dns is said by the files"):
        compile_file(path, Overrides(), Folder(tmp_path))
