"""Each diagnosis, by a balancer that is really set up so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from tests.e2e.doctor.conftest import Mislead
from tests.e2e.stack.examined import Subject

_GOOD_NGINX = """
    listen 127.0.0.1:$port ssl;
    http2 on;
    location /protobuf.Transport/Connect { client_max_body_size 0; grpc_pass grpcs://127.0.0.1:$grpc; }
    location / { proxy_pass https://127.0.0.1:$http; }
"""
_GOOD_HAPROXY = """
frontend public
    bind 127.0.0.1:$port ssl crt $bundle alpn h2,http/1.1
    use_backend grpc if { path_beg /protobuf.Transport }
    default_backend api
backend grpc
    server gateway 127.0.0.1:$grpc ssl verify none alpn h2
backend api
    server gateway 127.0.0.1:$http ssl verify none alpn http/1.1
"""


@dataclass(frozen=True)
class Case:
    """A balancer, and what is to be found."""

    name: str
    balancer: str
    config: str | Mapping[str, str]
    """Of Envoy the mistakes in the file that is shipped."""
    check: str
    diagnosis: str
    scheme: str = "grpcs"
    place: str = "nginx"
    """Where a line is to be changed, among others."""


def _nginx(name: str, config: str, check: str, diagnosis: str, scheme: str = "grpcs") -> Case:
    return Case(name, "nginx", config, check, diagnosis, scheme)


def _haproxy(name: str, config: str, check: str, diagnosis: str, scheme: str = "grpcs") -> Case:
    return Case(name, "haproxy", config, check, diagnosis, scheme, "HAProxy")


def _envoy(name: str, mistakes: Mapping[str, str], check: str, diagnosis: str) -> Case:
    return Case(name, "envoy", mistakes, check, diagnosis, place="Envoy")


_BUFFER = """http_filters:
                  - name: envoy.filters.http.buffer
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
                      max_request_bytes: 1048576
"""

CASES = (
    _envoy("TLS without HTTP/2", {"[h2, http/1.1]": "[http/1.1]"}, "tls", "http2-not-enabled"),
    _envoy(
        "gRPC is forwarded as HTTP/1",
        {"{ http2_protocol_options: {} }": "{ http_protocol_options: {} }"},
        "grpc",
        "grpc-as-http1",
    ),
    _envoy(
        "gRPC goes to the API",
        {"prefix: /protobuf.Transport": "prefix: /somewhere.Else"},
        "grpc",
        "grpc-as-http1",
    ),
    _envoy("nobody is behind it", {"port_value: 8010 ": "port_value: 1 "}, "grpc", "gateway-unreachable"),
    _envoy(
        "gRPC is not forwarded",
        {"prefix: /protobuf.Transport": "prefix: /somewhere.Else", "prefix: / ": "prefix: /api "},
        "grpc",
        "grpc-not-forwarded",
    ),
    _envoy("requests are buffered", {"http_filters:\n": _BUFFER}, "credential", "request-buffered"),
    _nginx(
        "TLS without HTTP/2",
        _GOOD_NGINX.replace("http2 on;", ""),
        "tls",
        "http2-not-enabled",
    ),
    _haproxy(
        "TLS without ALPN",
        _GOOD_HAPROXY.replace("alpn h2,http/1.1", "no-alpn", 1),
        "tls",
        "http2-not-enabled",
    ),
    _nginx(
        "plaintext without HTTP/2",
        _GOOD_NGINX.replace(" ssl;", ";").replace("http2 on;", ""),
        "http2",
        "http2-not-enabled",
        "grpc",
    ),
    _nginx("TLS to a plain port", _GOOD_NGINX.replace(" ssl;", ";"), "tls", "tls-to-a-plain-port"),
    _haproxy(
        "TLS to a plain port",
        _GOOD_HAPROXY.replace("ssl crt $bundle alpn h2,http/1.1", "", 1),
        "tls",
        "tls-to-a-plain-port",
    ),
    Case("plain to a TLS port", "nginx", _GOOD_NGINX, "http2", "plain-to-a-tls-port", "grpc", "agent"),
    Case("plain to a TLS port", "haproxy", _GOOD_HAPROXY, "http2", "plain-to-a-tls-port", "grpc", "agent"),
    _nginx(
        "gRPC is not forwarded",
        """
    listen 127.0.0.1:$port ssl;
    http2 on;
    location /api { proxy_pass https://127.0.0.1:$http; }
    location / { return 404; }
""",
        "grpc",
        "grpc-not-forwarded",
    ),
    _nginx(
        "gRPC goes to the web application",
        """
    listen 127.0.0.1:$port ssl;
    http2 on;
    location / { default_type text/html; return 200 "<html>welcome</html>"; }
""",
        "grpc",
        "grpc-not-forwarded",
    ),
    _nginx(
        "gRPC is forwarded as HTTP/1",
        "listen 127.0.0.1:$port ssl; http2 on; location / { proxy_pass https://127.0.0.1:$grpc; }",
        "grpc",
        "grpc-as-http1",
    ),
    _haproxy(
        "gRPC is forwarded as HTTP/1",
        _GOOD_HAPROXY.replace("alpn h2\n", "alpn http/1.1\n"),
        "grpc",
        "grpc-as-http1",
    ),
    _nginx(
        "nobody is behind it",
        "listen 127.0.0.1:$port ssl; http2 on; location / { grpc_pass grpc://127.0.0.1:1; }",
        "grpc",
        "gateway-unreachable",
    ),
    _haproxy(
        "nobody is behind it",
        _GOOD_HAPROXY.replace("127.0.0.1:$grpc", "127.0.0.1:1"),
        "grpc",
        "gateway-unreachable",
    ),
    _nginx(
        "a login page is before it",
        "listen 127.0.0.1:$port ssl; http2 on; location / { return 302 https://sso.example/login; }",
        "grpc",
        "login-before-grpc",
    ),
    _haproxy(
        "requests are buffered",
        _GOOD_HAPROXY.replace("backend grpc\n", "backend grpc\n    option http-buffer-request\n"),
        "credential",
        "request-buffered",
    ),
    _nginx(
        "bodies are limited",
        _GOOD_NGINX.replace("client_max_body_size 0;", ""),
        "message",
        "body-size-limit",
    ),
    _haproxy(
        "the clock is wrong",
        _GOOD_HAPROXY.replace(
            "backend grpc\n",
            'backend grpc\n    http-after-response set-header Date "Thu, 01 Jan 2026 00:00:00 GMT"\n',
        ),
        "clock",
        "clock-skew",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.balancer}: {case.name}")
def test_what_is_wrong_is_found(mislead: Mislead, subject: Subject, case: Case) -> None:
    misled = mislead()
    getattr(misled, case.balancer)(case.config)

    found = subject.examine(subject.key(misled.port, case.scheme), "--timeout", "5")

    assert found.code == 1, found
    assert found.failed == [case.check], found
    assert found.diagnosis(case.check) == case.diagnosis, found
    advice = found.checks[case.check]["diagnosis"]
    assert advice["cause"] and advice["lines"][case.place if case.place in advice["lines"] else "agent"]
