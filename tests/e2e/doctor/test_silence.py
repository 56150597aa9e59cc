"""Silent streams: what is in between cuts them, and PINGs keep them."""

from __future__ import annotations

import pytest

from tests.e2e.doctor.conftest import Mislead
from tests.e2e.stack.examined import Subject

_NGINX = """
    listen 127.0.0.1:$port ssl;
    http2 on;
    location /protobuf.Transport/Connect {
        client_max_body_size 0;
        grpc_read_timeout {limit};
        grpc_send_timeout {limit};
        client_body_timeout {limit};
        grpc_pass grpcs://127.0.0.1:$grpc;
    }
"""
_HAPROXY = """
frontend public
    timeout client {limit}
    bind 127.0.0.1:$port ssl crt $bundle alpn h2,http/1.1
    default_backend grpc
backend grpc
    timeout server {limit}
    server gateway 127.0.0.1:$grpc ssl verify none alpn h2
"""
BALANCERS = {"nginx": _NGINX, "haproxy": _HAPROXY}


@pytest.mark.parametrize("balancer", BALANCERS)
def test_pings_keep_a_link_that_silence_would_lose(mislead: Mislead, subject: Subject, balancer: str) -> None:
    misled = mislead()
    getattr(misled, balancer)(BALANCERS[balancer].replace("{limit}", "6s"))

    found = subject.examine(subject.key(misled.port), "--idle", "9")

    assert found.code == 0, found
    assert found.checks["idle"]["status"] == "ok"
    assert (found.checks["silent"]["status"], found.diagnosis("silent")) == ("warned", "silence-cut")


@pytest.mark.parametrize("balancer", BALANCERS)
def test_a_limit_below_the_pings_cuts_links(mislead: Mislead, subject: Subject, balancer: str) -> None:
    misled = mislead()
    getattr(misled, balancer)(BALANCERS[balancer].replace("{limit}", "1s"))

    _is_cut(subject, misled.port)


def test_envoy_cuts_links_too(mislead: Mislead, subject: Subject) -> None:
    misled = mislead()
    misled.envoy({"stream_idle_timeout: 300s": "stream_idle_timeout: 1s"})

    _is_cut(subject, misled.port)


def _is_cut(subject: Subject, port: int) -> None:
    found = subject.examine(subject.key(port), "--idle", "4", LINK_KEEPALIVE_SECONDS="60")
    assert (found.failed, found.diagnosis("idle")) == (["idle"], "idle-cut"), found
    assert {"nginx", "HAProxy", "Envoy", "ALB"} < found.checks["idle"]["diagnosis"]["lines"].keys()
