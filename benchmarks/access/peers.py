"""The peers: HAProxy in tcp mode and `ssh -L`. One that cannot be had is left out, with the reason."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from pathlib import Path

from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

_INSTALL_SECONDS = 120
_KEY_SECONDS = 30

_HAPROXY = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen postgres
    bind 127.0.0.1:{port}
    server postgres 127.0.0.1:{upstream}
"""

_SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowTcpForwarding local
"""


class MissingPeerError(Exception):
    """A peer that is not on this machine; the message says why."""


def haproxy(folder: Path, processes: Processes, upstream: int) -> int:
    """Starts HAProxy before a port; returns its own. Raises MissingPeerError."""
    program = shutil.which("haproxy") or _installed_haproxy()
    port = free_port()
    folder.mkdir(mode=0o700)
    config = folder / "haproxy.cfg"
    config.write_text(_HAPROXY.format(port=port, upstream=upstream), "ascii")
    processes.start("haproxy", [program, "-db", "-f", config])
    until("HAProxy listens", lambda: _listens(port))
    return port


def ssh(folder: Path, processes: Processes, upstream: int) -> int:
    """Starts an sshd of its own and `ssh -L` through it to a port; returns the local one.

    Raises MissingPeerError.
    """
    server, client, keygen = (shutil.which(name) for name in ("sshd", "ssh", "ssh-keygen"))
    if not (server and client and keygen):
        raise MissingPeerError("sshd, ssh and ssh-keygen are not all installed")
    if os.geteuid() == 0:
        # sshd(8) as root wants this folder for its unprivileged half.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o700)
    for name in ("host", "user"):
        command = [keygen, "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True, capture_output=True, timeout=_KEY_SECONDS)
    port = free_port()
    config = folder / "sshd_config"
    # StrictModes would judge the temporary folder's parents, which are everybody's.
    config.write_text(_SSHD.format(port=port, folder=folder) + "StrictModes no\n", "ascii")
    processes.start("sshd", [server, "-D", "-e", "-f", config])
    until("sshd listens", lambda: _listens(port))
    return _forward(client, folder, processes, port, upstream)


def _forward(client: str, folder: Path, processes: Processes, port: int, upstream: int) -> int:
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text('ascii')}", "ascii")
    local = free_port()
    options = (
        "ExitOnForwardFailure=yes",
        "BatchMode=yes",
        f"UserKnownHostsFile={known}",
        "IdentitiesOnly=yes",
    )
    command = [client, "-F", "none", "-N", "-L", f"127.0.0.1:{local}:127.0.0.1:{upstream}", "-p", str(port)]
    command += ["-i", str(folder / "user"), *(part for option in options for part in ("-o", option))]
    processes.start("ssh", [*command, f"{getpass.getuser()}@127.0.0.1"])
    until("ssh forwards", lambda: _listens(local))
    return local


def _installed_haproxy() -> str:
    tool = shutil.which("apt-get")
    if not tool or os.geteuid() != 0:
        raise MissingPeerError("haproxy is not installed: apt-get install haproxy")
    command = [tool, "install", "-y", "--no-install-recommends", "haproxy"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=_INSTALL_SECONDS)
    except (subprocess.SubprocessError, OSError) as error:
        raise MissingPeerError(f"haproxy could not be installed: {error}") from error
    return shutil.which("haproxy") or "/usr/sbin/haproxy"


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
