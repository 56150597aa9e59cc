"""Foreign servers and load generators of Debian's newer releases, unpacked beside the system.

Nothing is installed and root is not needed: each release is a folder with its own C library, and its programs
run by that folder's own loader. The packages come from the mirror that this machine's apt is set to.

    python -m tests.e2e.stack.peers     brings them all, with progress
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

RELEASES = {
    # The first release whose HAProxy has what the reversed backend needs (3.0), and the tools.
    "trixie": ("haproxy", "nginx-light", "nghttp2-client", "squid", "wrk"),
    # The newest HAProxy that there is (3.2 or later), and a PostgreSQL that was built with OpenSSL.
    "sid": ("haproxy", "postgresql-18"),
}
"""What is taken from each release."""

HAPROXY = {"trixie": (3, 0), "sid": (3, 2)}
"""The HAProxy that each release must have at least."""

_TRIES = 3
_SECONDS = 300
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_COMPLETE = ".complete"


class PeersError(Exception):
    """A peer could not be had; the message says what to do."""


@dataclass(frozen=True)
class Peers:
    """The unpacked releases in a cache folder."""

    folder: Path
    tell: Callable[[str], None] = field(default=lambda _line: None)
    releases: Mapping[str, Sequence[str]] = field(default_factory=lambda: RELEASES)
    """The packages of each release. Two that differ in them want folders of their own."""

    def command(self, release: str, program: str) -> list[str]:
        """How to start a program, such as `usr/sbin/haproxy`, of a release that `bring` has brought.

        Raises PeersError.
        """
        root = self.folder / release
        # Before trixie the C library lay outside of /usr.
        folders = [*sorted(root.glob("usr/lib/*-linux-gnu*")), *sorted(root.glob("lib/*-linux-gnu*"))]
        loaders = [file for folder in folders for file in sorted(folder.glob("ld-linux*.so.*"))]
        if not (loaders and (root / program).is_file()):
            raise PeersError(f"{root} has no {program}: remove that folder and start again")
        libraries = ":".join(map(str, folders))
        return [str(loaders[0]), "--library-path", libraries, str(root / program)]

    def haproxy_version(self, release: str) -> str:
        """As `haproxy -v` tells it, once it is known to be new enough.

        Raises PeersError.
        """
        told = output([*self.command(release, "usr/sbin/haproxy"), "-v"])
        found = re.search(r"version ((\d+)\.(\d+)\S*)", told)
        if not found or (int(found[2]), int(found[3])) < HAPROXY[release]:
            raise PeersError(f"Debian {release} has no HAProxy {HAPROXY[release]} or later: {told}")
        return found[1]

    def bring(self) -> None:
        """Downloads and unpacks what is not there yet; takes some seconds the first time.

        Raises PeersError.
        """
        missing = [name for name in self.releases if not self._is_complete(name)]
        if not missing:
            return
        if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
            raise PeersError(
                "foreign servers are taken from Debian's mirror, with apt-get and "
                f"dpkg-deb: run this on Debian, or unpack the packages below {self.folder}"
            )
        self.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with locked(self.folder / "lock"):
            for name in missing:
                if not self._is_complete(name):
                    self._unpack(name)
        for name in (name for name, packages in self.releases.items() if "haproxy" in packages):
            self.tell(f"HAProxy of Debian {name}: {self.haproxy_version(name)}")

    def _is_complete(self, release: str) -> bool:
        mark = self.folder / release / _COMPLETE
        return mark.is_file() and set(self.releases[release]) <= set(mark.read_text("ascii").split())

    def _unpack(self, release: str) -> None:
        self.tell(f"Debian {release}: downloading {', '.join(self.releases[release])}")
        partial = self.folder / f"{release}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        root = partial / "root"
        root.mkdir(parents=True)
        packages = _download(partial / "apt", release, self.releases[release])
        self.tell(f"Debian {release}: unpacking {len(packages)} packages")
        for package in packages:
            _run(["dpkg-deb", "--extract", str(package), str(root)])
        (root / _COMPLETE).write_text("\n".join(self.releases[release]), "ascii")
        target = self.folder / release
        shutil.rmtree(target, ignore_errors=True)
        root.rename(target)
        shutil.rmtree(partial)


def cache() -> Path:
    """PENSTOCK_PEERS, or a folder in the user's cache: a clean clone finds it again.

    Root's is the system's: PostgreSQL runs as somebody else, who cannot enter root's home.
    """
    own = os.environ.get("PENSTOCK_PEERS")
    if own:
        return Path(own).resolve()
    users = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return (Path("/var/cache") if os.geteuid() == 0 else users) / "penstock-peers"


def _download(folder: Path, release: str, packages: Sequence[str]) -> list[Path]:
    # An apt of its own with nothing installed: it brings the C library and everything else, too.
    (folder / "lists" / "partial").mkdir(parents=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True)
    (folder / "status").touch()
    signed = f"[signed-by={_KEYRING}] " if _KEYRING.is_file() else ""
    sources = folder / "sources.list"
    sources.write_text(f"deb {signed}{_mirror()} {release} main\n", "ascii")
    options = {
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Acquire::Languages": "none",
        "Acquire::Retries": 3,
        "Acquire::http::Timeout": 30,
        # The cache may lie in a home that apt's own account cannot enter.
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    install = [*apt, "install", "-y", "--no-install-recommends", "--download-only", *packages]
    # Both once more together: between them the mirror may have changed.
    for left in reversed(range(_TRIES)):
        try:
            _run([*apt, "update"])
            _run(install)
            break
        except PeersError:
            if not left:
                raise
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def _mirror() -> str:
    told = output(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"])
    for line in told.splitlines():
        address, _, release = line.partition(" ")
        # Not `bookworm-security` and the like, which lie elsewhere.
        if release.isalpha():
            return address
    raise PeersError("apt has no Debian mirror: name one in /etc/apt/sources.list")


def _run(command: Sequence[str]) -> None:
    output(command)


def output(command: Sequence[str], seconds: float = _SECONDS) -> str:
    """The stdout of a program that must succeed.

    Raises PeersError.
    """
    environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeersError(f"{command[0]}: {error}") from error
    if done.returncode:
        what = " ".join([command[0], *command[-3:]])
        raise PeersError(f"`{what}` ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Holds a lock against other processes that bring peers."""
    with file.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Brings all peers; the exit code says whether they are there."""
    try:
        Peers(cache(), lambda line: print(f"==> {line}", flush=True)).bring()  # noqa: T201
    except PeersError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
