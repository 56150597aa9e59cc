"""HAProxy at both ends of a reversed link, and nginx and HAProxy as ordinary reverse proxies.

The reversed ends are the configurations that are shipped, without their log: nobody else writes one here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from benchmarks.measure.origin import nginx, wait
from benchmarks.reverse.stage import LINKS, Edge, Published, Stage
from tests.e2e.stack.haproxy import SHIPPED
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Process

RELEASE = "sid"
"""The Debian release whose HAProxy it is: the newest."""

# What makes HAProxy write a log.
_LOGS = ("log ", "option  httplog")

_NGINX = """\
    upstream origin {{
        server 127.0.0.1:{origin};
        keepalive 512;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        http2 on;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $remote_addr;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_request_buffering off;
            proxy_max_temp_file_size 0;
        }}
    }}
"""

_HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client  1m
    timeout server  1m
frontend public
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-For   %[src]
    http-request set-header X-Forwarded-Proto http
    default_backend origin
backend origin
    http-reuse always
    server origin 127.0.0.1:{origin}
"""


def plain_nginx(stage: Stage) -> Published:
    """nginx before the origin. Raises MissingWayError."""
    port = free_port()
    servers = _NGINX.format(port=port, origin=stage.origin.port)
    process = nginx(stage.peers, stage.room("nginx"), stage.processes, "nginx", servers, port)
    return Published("nginx plain", (process,), port)


def plain_haproxy(stage: Stage) -> Published:
    """HAProxy before the origin. Raises MissingWayError."""
    port = free_port()
    process = haproxy(stage, "plain", _HAPROXY.format(port=port, origin=stage.origin.port))
    wait(process, port)
    return Published("HAProxy plain", (process,), port)


def both_ends(stage: Stage, name: str) -> Published:
    """HAProxy as the edge, and HAProxy as the device that dials it. Raises MissingWayError."""
    edge = haproxy_edge(stage, "edge")
    return Published(name, (edge.process, device(stage, "device", edge.tunnels, LINKS)), edge.public)


def haproxy_edge(stage: Stage, name: str) -> Edge:
    """HAProxy as the edge, once it listens. Raises MissingWayError."""
    public, tunnels = free_port(), free_port()
    variables = {
        "PUBLIC_LISTEN": f"127.0.0.1:{public}",
        "TUNNEL_LISTEN": f"127.0.0.1:{tunnels}",
        "EDGE_PEM": str(stage.certificates.edge.bundle),
        "WORKERS_CA": str(stage.certificates.worker.ca),
        "WORKER_NAME": "worker",
    }
    process = haproxy(stage, name, _shipped("haproxy.cfg"), variables)
    wait(process, public, tunnels)
    return Edge(public, tunnels, process)


def device(stage: Stage, name: str, tunnels: int, links: int) -> Process:
    """HAProxy that dials so many links to a port and forwards to the origin."""
    variables = {
        "PROXY": f"127.0.0.1:{tunnels}",
        "PROXY_NAME": "localhost",
        "PROXY_CA": str(stage.certificates.worker.ca),
        "DEVICE_PEM": str(stage.certificates.worker.bundle),
        "APP": f"127.0.0.1:{stage.origin.port}",
    }
    return haproxy(stage, name, _shipped("device.cfg").replace("nbconn 4", f"nbconn {links}"), variables)


def haproxy(stage: Stage, name: str, config: str, variables: Mapping[str, str] | None = None) -> Process:
    """A running HAProxy with a configuration."""
    file = stage.room(f"haproxy-{name}") / "haproxy.cfg"
    file.write_text(config, "utf-8")
    command: list[str | Path] = [*stage.peers.command(RELEASE, "usr/sbin/haproxy"), "-db", "-f", file]
    return stage.processes.start(f"haproxy-{name}", command, {**os.environ, **(variables or {})})


def _shipped(name: str) -> str:
    lines = (SHIPPED / name).read_text("utf-8").splitlines(keepends=True)
    return "".join(line for line in lines if not line.strip().startswith(_LOGS))
