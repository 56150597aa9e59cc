"""nginx before a gateway, with `deploy/nginx/penstock.conf` or another server block."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field

import psutil  # type: ignore[import-untyped]

from tests.e2e.stack.balancers.site import IDLE_SECONDS, Site, fitted, kill_all, wait_for_port
from tests.e2e.stack.processes import Process
from tests.e2e.stack.waiting import until

# What every nginx.conf has around its server blocks.
_AROUND = """
daemon off;
{user}
worker_processes 2;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout {idle}s;
    include {server};
}}
"""


@dataclass
class Nginx:
    """A master and its workers."""

    site: Site
    server: str = ""
    """The server block; else the one that is shipped."""
    process: Process = field(init=False)

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        server = self.site.written("penstock.conf", self.server or self._shipped())
        around = _AROUND.format(
            # Its workers would be somebody who cannot enter the test's folder.
            user="user root;" if os.geteuid() == 0 else "",
            folder=self.site.folder,
            server=server,
            idle=IDLE_SECONDS,
        )
        config = self.site.written("nginx.conf", around)
        command = [*self.site.peers.command("trixie", "usr/sbin/nginx"), "-e", "stderr"]
        self.process = self.site.processes.start(
            "nginx", [*command, "-p", self.site.folder, "-c", config], stop=signal.SIGQUIT
        )
        wait_for_port(self.process, self.site.port)

    def reload(self) -> None:
        """SIGHUP: new workers, while the old ones finish what they have."""
        before = self._workers()
        self.process.signal(signal.SIGHUP)
        until("nginx has new workers", lambda: self._workers() - before)

    def kill(self) -> None:
        """SIGKILL of the master and every worker, as when its machine fails."""
        kill_all(self.site.port, self.process)

    def _workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def _shipped(self) -> str:
        certificate = self.site.certificate
        return fitted(
            "nginx/penstock.conf",
            {
                "listen      443 ssl": f"listen 127.0.0.1:{self.site.port} ssl",
                "gateway.example.com;": "localhost;",
                "/etc/nginx/gateway.example.com.pem": str(certificate.cert),
                "/etc/nginx/gateway.example.com.key": str(certificate.key),
                "127.0.0.1:8009": f"127.0.0.1:{self.site.http_port}",
                "127.0.0.1:8010": f"127.0.0.1:{self.site.grpc_port}",
                " 5m;": f" {IDLE_SECONDS}s;",
            },
        )
