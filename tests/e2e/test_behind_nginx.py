"""nginx before a gateway as others write it down."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.stack.balanced import balanced
from tests.e2e.stack.balancers.nginx import Nginx
from tests.e2e.stack.balancers.site import DEPLOY, Balancer, Site
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.stack import AGENT


def server(site: Site, name: str, *directives: str) -> str:
    """A server block for one name."""
    head = f"listen 127.0.0.1:{site.port} ssl http2; server_name {name};"
    shown = f"ssl_certificate {site.certificate.cert}; ssl_certificate_key {site.certificate.key};"
    return "\n".join(["server {", head, shown, *directives, "}"])


def one_name(site: Site) -> Nginx:
    """The least that carries both, with all the rest as nginx has it."""
    links = f"client_max_body_size 0; grpc_pass grpc://127.0.0.1:{site.grpc_port}; break;"
    web = f"proxy_pass http://127.0.0.1:{site.http_port};"
    locations = f"location /protobuf.Transport/Connect {{ {links} }}", f"location / {{ {web} }}"
    return Nginx(site, server(site, "localhost", *locations))


def two_names(site: Site) -> Nginx:
    """What ingress-nginx makes of the manifest that is shipped for it."""
    ingresses = list(yaml.safe_load_all((DEPLOY / "kubernetes/ingress-nginx.yaml").read_text("utf-8")))
    told = {name.split("/")[1]: value for name, value in ingresses[1]["metadata"]["annotations"].items()}
    links = [
        f"client_max_body_size {told['proxy-body-size']};",
        f"grpc_read_timeout {told['proxy-read-timeout']}s;",
        f"grpc_send_timeout {told['proxy-send-timeout']}s;",
        f"{told['backend-protocol'].lower()}_pass grpc://127.0.0.1:{site.grpc_port};",
    ]
    web = f"location / {{ proxy_pass http://127.0.0.1:{site.http_port}; }}"
    grpc_location = f"location / {{ {' '.join(links)} }}"
    servers = (
        server(site, "localhost", web),
        server(site, "127.0.0.1", told["server-snippet"], grpc_location),
    )
    return Nginx(site, "\n".join(servers))


@pytest.mark.parametrize(("make", "grpc_host"), [(one_name, "localhost"), (two_names, "127.0.0.1")])
def test_nginx_as_others_write_it(
    make: Callable[[Site], Balancer],
    grpc_host: str,
    root: Path,
    peers: Peers,
    wheels: Path,
    certificates: Certificates,
    postgres: Postgres,
    application: str,
) -> None:
    """Two locations and nothing else; and a server for each port, as ingress-nginx has it."""
    with balanced(root / application, peers, wheels, certificates.edge, make, grpc_host=grpc_host) as behind:
        behind.stack.connection("db", postgres.env())
        assert f"@{grpc_host}:{behind.balancer.site.port}" in behind.stack.keys[AGENT]
        rows = behind.stack.cli.json("exec", "db", "-i", "SELECT repeat('x', 3000000) AS large")
        assert [len(row["large"]) for row in rows] == [3_000_000]
