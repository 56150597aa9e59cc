"""HAProxy in tcp mode and `ssh -L`, both unpacked of Debian."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

from penstock.demo.account import Account, database_account

from benchmarks.access.database import way
from benchmarks.access.stage import Stage
from benchmarks.access.way import Access
from benchmarks.measure.figure import MissingWayError
from benchmarks.measure.origin import wait
from tests.e2e.stack.ports import free_port

HAPROXY = "HAProxy tcp"
SSH = "ssh -L"

PACKAGES = {"bookworm": ("openssh-server", "openssh-client")}
"""Of the last release whose sshd can be told not to start itself anew: unpacked, it could not."""

_RELEASE = "bookworm"
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
UsePAM no
AllowTcpForwarding local
# It would judge the temporary folder's parents, which are everybody's.
StrictModes no
"""

_SSH = """\
ExitOnForwardFailure yes
BatchMode yes
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
"""


def haproxy(stage: Stage) -> Access:
    """HAProxy that forwards bytes: nothing is encrypted. Raises MissingWayError."""
    port = free_port()
    config = stage.room("haproxy") / "haproxy.cfg"
    config.write_text(_HAPROXY.format(port=port, upstream=stage.server.port), "ascii")
    command = [*stage.tools.command("trixie", "usr/sbin/haproxy"), "-db", "-f", str(config)]
    process = stage.processes.start("haproxy", command)
    wait(process, port)
    return way(stage.server, HAPROXY, port, (process,))


def ssh(stage: Stage) -> Access:
    """An sshd and a client that forwards a port through it, neither as root. Raises MissingWayError."""
    account = database_account()
    folder = stage.folder / "ssh"
    account.own(folder)
    for name in ("host", "user"):
        _make_key(stage, account, folder / name)
    port, local = free_port(), free_port()
    config = folder / "sshd_config"
    config.write_text(_SSHD.format(port=port, folder=folder), "ascii")
    server = [*stage.peers.command(_RELEASE, "usr/sbin/sshd"), "-r", "-D", "-e", "-f", str(config)]
    daemon = stage.processes.start("sshd", server, prefix=account.prefix)
    wait(daemon, port)
    client = stage.processes.start("ssh", _client(stage, account, folder, port, local), prefix=account.prefix)
    wait(client, local)
    return way(stage.server, SSH, local, (daemon, client))


def _make_key(stage: Stage, account: Account, file: Path) -> None:
    program = stage.peers.command(_RELEASE, "usr/bin/ssh-keygen")
    command = [*account.prefix, *program, "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_KEY_SECONDS)
    except subprocess.CalledProcessError as error:
        raise MissingWayError(f"ssh-keygen: {error.stderr.decode().strip()}") from error


def _client(stage: Stage, account: Account, folder: Path, port: int, local: int) -> list[str]:
    host = (folder / "host.pub").read_text("ascii")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}", "ascii")
    config = folder / "ssh_config"
    config.write_text(_SSH.format(folder=folder), "ascii")
    os.chown(config, account.uid, account.gid)
    program = stage.peers.command(_RELEASE, "usr/bin/ssh")
    forward = f"127.0.0.1:{local}:127.0.0.1:{stage.server.port}"
    options = ["-F", str(config), "-i", str(folder / "user"), "-N", "-L", forward, "-p", str(port)]
    return [*program, *options, f"{pwd.getpwuid(account.uid).pw_name}@127.0.0.1"]
