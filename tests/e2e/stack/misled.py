"""A load balancer that is set up wrongly, before a gateway that is well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template

from tests.e2e.stack.balancers.site import Site, fitted, wait_for_port
from tests.e2e.stack.ports import free_port

_NGINX = """
daemon off;
master_process off;
pid $folder/nginx.pid;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    server {
        server_name localhost;
        ssl_certificate $bundle;
        ssl_certificate_key $bundle;
        $server
    }
}
"""

_HAPROXY = """
global
    ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h
$server
"""


@dataclass(frozen=True)
class Misled:
    """A balancer with lines in which `$port`, `$bundle`, `$http` and `$grpc` stand for what they name.

    `$http` and `$grpc` are the gateway's ports, `$bundle` the balancer's certificate with its key.
    """

    site: Site

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.site.port

    def nginx(self, server: str) -> None:
        """nginx with these directives in its one server."""
        program = self.site.peers.command("trixie", "usr/sbin/nginx")
        self._start(
            [*program, "-e", "stderr", "-p", str(self.site.folder), "-c"], self._filled(_NGINX, server)
        )

    def haproxy(self, sections: str) -> None:
        """HAProxy with these sections."""
        program = self.site.peers.command("trixie", "usr/sbin/haproxy")
        self._start([*program, "-db", "-f"], self._filled(_HAPROXY, sections))

    def envoy(self, mistakes: Mapping[str, str]) -> None:
        """Envoy with the file that is shipped, these words of it changed."""
        site = self.site
        place = {
            "address: 0.0.0.0, port_value: 443 ": f"address: 127.0.0.1, port_value: {site.port} ",
            "port_value: 15000 ": f"port_value: {free_port()} ",
            "/etc/envoy/gateway.pem": str(site.certificate.cert),
            "/etc/envoy/gateway.key": str(site.certificate.key),
        }
        text = fitted("envoy/envoy.yaml", {**place, **mistakes})
        for shipped, port in ((8009, site.http_port), (8010, site.grpc_port)):
            text = text.replace(f"port_value: {shipped} ", f"port_value: {port} ")
        options = ("--use-dynamic-base-id", "--log-level", "warning", "--concurrency", "1", "-c")
        self._start([str(site.wheels / "envoy" / "_bin" / "envoy"), *options], text, "misled.yaml")

    def _filled(self, whole: str, part: str) -> str:
        names = {
            "folder": str(self.site.folder),
            "bundle": str(self.site.certificate.bundle),
            "port": str(self.site.port),
            "http": str(self.site.http_port),
            "grpc": str(self.site.grpc_port),
        }
        # The part has names of its own, and variables of the balancer's, which stay.
        return Template(whole).substitute(names, server=Template(part).safe_substitute(names))

    def _start(self, command: list[str], text: str, name: str = "misled.conf") -> None:
        config = self.site.written(name, text)
        process = self.site.processes.start("misled", [*command, str(config)])
        wait_for_port(process, self.site.port)
