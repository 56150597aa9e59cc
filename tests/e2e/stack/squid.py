"""squid as the forward proxy of somebody's network: the only way out of it, and it asks for a password."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port, listens
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.waiting import until

USER = "me:p%40ss%3Aword@"
"""Whom it lets through, as it stands in a URL."""
HOST, FORBIDDEN, UNKNOWN = "gateway.test", "forbidden.test", "unknown.test"
"""Its own name for this machine, one that its rules do not allow, and one that it cannot resolve."""

# `openssl passwd -apr1 'p@ss:word'`
_PASSWORDS = "me:$apr1$penstock$eJKx4M3wrQd5Irb1CTmbc/\n"
_CONFIG = """\
http_port 127.0.0.1:{port}
https_port 127.0.0.1:{tls_port} tls-cert={folder}/squid.pem
hosts_file {folder}/hosts
auth_param basic program {helper} {folder}/passwords
auth_param basic children 1 startup=1
auth_param basic realm squid
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.test
http_access deny !known
http_access deny forbidden
http_access allow all
access_log stdio:{folder}/access.log
cache deny all
cache_mem 0
cache_log stdio:/dev/stderr
cache_store_log none
netdb_filename none
pid_filename none
pinger_enable off
# Never started, for nothing is cached; but it must be there.
unlinkd_program /bin/true
coredump_dir {folder}
visible_hostname localhost
dns_nameservers 127.0.0.1
dns_timeout 2 seconds
shutdown_lifetime 1 second
mime_table {root}/usr/share/squid/mime.conf
icon_directory {root}/usr/share/squid/icons
error_directory {root}/usr/share/squid/errors/templates
{user}
"""


@dataclass(frozen=True)
class Squid:
    """A running one."""

    folder: Path
    port: int
    tls_port: int

    def url(self, user: str = USER) -> str:
        """As `HTTPS_PROXY` names it."""
        return f"http://{user}127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        """The same by TLS."""
        return f"https://{USER}localhost:{self.tls_port}"

    def carried(self, target: str) -> bool:
        """Whether it has let somebody through to `HOST:PORT`; known once that is over."""
        lines = (self.folder / "access.log").read_text("ascii").splitlines()
        return any("TCP_TUNNEL/200" in line and f"CONNECT {target} " in line for line in lines)


@contextmanager
def squid(peers: Peers, processes: Processes, certificate: Issued) -> Iterator[Squid]:
    """A running squid, whose folder is open to the account that it changes to."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-squid-"))
    try:
        folder.chmod(0o777)
        found = Squid(folder, free_port(), free_port())
        _write(found, peers, certificate)
        # The name parts its shared memory from that of a squid that the machine has of its own.
        options = ["-N", "-n", f"test{found.port}", "-f", str(folder / "squid.conf")]
        process = processes.start("squid", [*peers.command("trixie", "usr/sbin/squid-gnutls"), *options])
        until("squid listens", lambda: listens(found.port) and listens(found.tls_port))
        yield found
        process.end()
    finally:
        shutil.rmtree(folder)


def _write(found: Squid, peers: Peers, certificate: Issued) -> None:
    helper = " ".join(peers.command("trixie", "usr/lib/squid/basic_ncsa_auth"))
    config = _CONFIG.format(
        port=found.port,
        tls_port=found.tls_port,
        folder=found.folder,
        root=peers.folder / "trixie",
        helper=helper,
        user="cache_effective_user nobody" if os.geteuid() == 0 else "",
    )
    files = {
        "squid.conf": config,
        "passwords": _PASSWORDS,
        "hosts": f"127.0.0.1 {HOST} {FORBIDDEN}\n",
        "squid.pem": certificate.bundle.read_text("ascii"),
    }
    for name, text in files.items():
        (found.folder / name).write_text(text, "ascii")
        (found.folder / name).chmod(0o644)
