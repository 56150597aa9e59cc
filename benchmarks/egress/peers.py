"""squid and tinyproxy as forward proxies: nothing cached, nothing logged, everything allowed."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.egress.stage import Forward, Stage
from benchmarks.measure.origin import wait
from tests.e2e.stack.ports import free_port

PACKAGES = {"trixie": ("squid", "tinyproxy-bin")}
"""What is unpacked of Debian."""

_SQUID = """\
http_port 127.0.0.1:{port}
http_access allow all
cache deny all
cache_mem 0
access_log none
cache_log stdio:/dev/stderr
cache_store_log none
netdb_filename none
pid_filename none
pinger_enable off
# Never started, for nothing is cached; but it must be there.
unlinkd_program /bin/true
memory_pools off
coredump_dir {folder}
visible_hostname localhost
max_filedescriptors {files}
shutdown_lifetime 1 second
mime_table {root}/usr/share/squid/mime.conf
icon_directory {root}/usr/share/squid/icons
error_directory {root}/usr/share/squid/errors/templates
{user}
"""

_TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 3600
MaxClients 20000
LogLevel Error
DefaultErrorFile "{root}/usr/share/tinyproxy/default.html"
"""


def squid(stage: Stage) -> Forward:
    """squid as it comes: one process. Raises MissingWayError."""
    port = free_port()
    folder = stage.room("squid")
    config = folder / "squid.conf"
    user = "cache_effective_user nobody" if os.geteuid() == 0 else ""
    text = _SQUID.format(
        port=port, folder=folder, files=os.sysconf("SC_OPEN_MAX"), root=_root(stage), user=user
    )
    config.write_text(text, "ascii")
    command: list[str | Path] = [*stage.peers.command("trixie", "usr/sbin/squid-gnutls")]
    # The name parts its shared memory from that of a squid that the machine has of its own.
    command += ["-N", "-n", f"bench{port}", "-f", config]
    process = stage.processes.start("squid", command)
    wait(process, port)
    return Forward("squid", (process,), port)


def tinyproxy(stage: Stage) -> Forward:
    """tinyproxy: a thread for each connection, and no second request on one. Raises MissingWayError."""
    port = free_port()
    config = stage.room("tinyproxy") / "tinyproxy.conf"
    config.write_text(_TINYPROXY.format(port=port, root=_root(stage)), "ascii")
    command: list[str | Path] = [*stage.peers.command("trixie", "usr/bin/tinyproxy"), "-d", "-c", config]
    process = stage.processes.start("tinyproxy", command)
    wait(process, port)
    return Forward("tinyproxy", (process,), port, closes=True)


def _root(stage: Stage) -> Path:
    return stage.peers.folder / "trixie"
