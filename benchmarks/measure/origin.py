"""The origin of all ways: nginx with files of known sizes, and a place for uploads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure.figure import MissingWayError
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Process, Processes
from tests.e2e.stack.waiting import until

SIZES = {"1k": 1024, "1m": 1024**2, "64m": 64 * 1024**2, "1g": 1024**3}
"""The files, and their sizes in bytes."""

SINK = "sink"
"""Takes any body and answers 204."""

# `user`: the files lie in a folder that only their owner can enter.
NGINX = """\
{user}
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    keepalive_time 1d;
    # Idle tunnels end here, and none of them is to time out.
    client_header_timeout 1h;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    open_file_cache max=16;
{servers}
}}
"""

_ORIGIN = """\
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        listen 127.0.0.1:{tls_port} ssl backlog=4096;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        http2 on;
        root {folder}/files;
        # A body is read to its end before it is answered: how a proxy bears early answers is no matter here.
        location = /sink {{
            client_body_buffer_size 2m;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header Connection "";
            proxy_http_version 1.1;
            proxy_pass http://nothing;
        }}
    }}
    upstream nothing {{
        server unix:{folder}/nothing.sock;
        keepalive 64;
    }}
    server {{
        listen unix:{folder}/nothing.sock;
        return 204;
    }}
"""


@dataclass(frozen=True)
class Tls:
    """What the origin's TLS port shows."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Origin:
    """A running origin."""

    port: int
    """HTTP/1.1, and HTTP/2 with prior knowledge."""
    tls_port: int
    process: Process

    def url(self, name: str) -> str:
        """Of one of the files."""
        return f"http://127.0.0.1:{self.port}/{name}"


def origin(peers: Peers, folder: Path, processes: Processes, tls: Tls) -> Origin:
    """Starts it. The files are sparse: they cost no disk, and are read from memory."""
    files = folder / "files"
    files.mkdir(parents=True)
    for name, size in SIZES.items():
        with (files / name).open("wb") as file:
            file.truncate(size)
        _warm(files / name)
    port, tls_port = free_port(), free_port()
    server = _ORIGIN.format(
        port=port, tls_port=tls_port, folder=folder, certificate=tls.certificate, key=tls.key
    )
    process = nginx(peers, folder, processes, "origin", server, port)
    return Origin(port, tls_port, process)


def _warm(file: Path) -> None:
    """The first reader would pay for what all others find in memory."""
    with file.open("rb", buffering=0) as read:
        while read.read(1024**2):
            pass


def nginx(peers: Peers, folder: Path, processes: Processes, name: str, servers: str, port: int) -> Process:
    """An nginx with these servers, once it listens on `port`. Raises MissingWayError."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(user=user, folder=folder, servers=servers), "ascii")
    command: list[str | Path] = [
        *peers.command("trixie", "usr/sbin/nginx"),
        "-e",
        "stderr",
        "-p",
        folder,
        "-c",
        config,
    ]
    process = processes.start(name, command)
    wait(process, port)
    return process


def wait(process: Process, *ports: int) -> None:
    """Returns once it listens. Raises MissingWayError with what it last said, if it ends or never does."""

    def listening() -> bool:
        if not process.running:
            raise MissingWayError(f"{process.name} ended early: {last_words(process)}")
        return all(listens(port) for port in ports)

    try:
        until(f"{process.name} listens", listening)
    except AssertionError as error:
        raise MissingWayError(f"{error}; it said: {last_words(process)}") from None


def last_words(process: Process) -> str:
    """The end of its log."""
    return process.log.read_text("utf-8", "replace").strip()[-300:]
