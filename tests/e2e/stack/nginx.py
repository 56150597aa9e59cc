"""nginx as an application that is published: files, and answers of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.stack.peers import Peers
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

_CONFIG = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        listen unix:{folder}/nginx.sock;
        root {folder}/files;
    }}
}}
"""


@dataclass
class Nginx:
    """One server of the files below `files`, on a port and on a unix socket."""

    peers: Peers
    folder: Path
    processes: Processes
    port: int = field(default_factory=free_port)

    @property
    def files(self) -> Path:
        """What it serves."""
        return self.folder / "files"

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self.folder / "nginx.sock"

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        self.files.mkdir(parents=True, exist_ok=True)
        config = self.folder / "nginx.conf"
        config.write_text(_CONFIG.format(folder=self.folder, port=self.port), "ascii")
        command = [*self.peers.command("trixie", "usr/sbin/nginx"), "-e", "stderr"]
        self.processes.start("nginx", [*command, "-p", self.folder, "-c", config])
        until("nginx listens", lambda: listens(self.port))
