"""A forward proxy, what is behind it, and who knows the names; all on this machine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
import pytest
from penstock.egress.keys import new_key
from websockets.sync.server import ServerConnection, serve

from tests.e2e.stack.certificates import Authority
from tests.e2e.stack.destination import Destination
from tests.e2e.stack.dns import NameServer
from tests.e2e.stack.egress import Egress
from tests.e2e.stack.offered import offer
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import Stack, running

NAMES = ("origin.test", "other.test", "localhost")
PROFILES = """
[connect]
enabled = true
ports = ["1-65535"]

[[profile]]
name = "build"
groups = "build"
[[profile.rule]]
name = "origin"
allow = "origin.test"

[[profile]]
name = "ann"
principals = "ann@example.com"
[[profile.rule]]
name = "other"
allow = "other.test"

[[profile]]
name = "local"
groups = "local"
[[profile.rule]]
name = "any"
allow = "127.0.0.1"

[guard]
allow = "127.0.0.1"
"""


@dataclass(frozen=True)
class Scene:
    """What there is beside the proxy. `origin.test` and `other.test` lead to the destination."""

    folder: Path
    destination: Destination
    names: NameServer
    ca: Path
    key: str
    """The key of the caller `ci`, who is in the group `build`."""
    digest: str

    @property
    def user(self) -> str:
        """NAME:KEY of the caller."""
        return f"ci:{self.key}"

    def url(self, host: str = "origin.test", *, tls: bool = False, path: str = "/hello") -> str:
        """Something at the destination."""
        at = self.destination
        return f"https://{host}:{at.tls_port}{path}" if tls else f"http://{host}:{at.port}{path}"

    def configuration(self, rules: str = "", top: str = "", connect: str = "") -> str:
        """Lets `ci` reach the destination, in clear and by CONNECT, as `rules` say."""
        rules = rules or '[[rule]]\nallow = "*"\n'
        return (
            f"anonymous = false\n{top}\n{rules}\n"
            f'[caller.ci]\ngroups = ["build"]\nkeys = "{self.digest}"\n'
            f'[connect]\nenabled = true\nports = ["1-65535"]\n{connect}\n'
            '[guard]\nallow = "127.0.0.1"\n'
            f'[dns]\nresolvers = "{self.names.address}"\nhosts_file = false\nmin_refresh = "1ms"\n'
            f'[upstream_tls]\nroots = "{self.ca}"\n'
        )


@pytest.fixture(scope="session")
def scene(root: Path) -> Iterator[Scene]:
    """The destination and its names."""
    folder = root / "egress"
    files = folder / "files"
    files.mkdir(parents=True)
    offer(files)
    authority = Authority("egress test")
    ca = folder / "ca.pem"
    ca.write_text(authority.pem)
    names = NameServer({"origin.test": [["127.0.0.1"]], "other.test": [["127.0.0.1"]]})
    key, digest = new_key()
    with ExitStack() as stack:
        destination = Destination(files, authority.server_context(folder, *NAMES))
        stack.enter_context(destination.running())
        stack.enter_context(names.running())
        yield Scene(folder, destination, names, ca, key, digest)


@pytest.fixture(scope="session")
def processes(scene: Scene) -> Iterator[Processes]:
    """All proxies of the run."""
    with Processes(scene.folder / "logs") as processes:
        yield processes


Start = Callable[..., Egress]
_numbers = count()


@pytest.fixture
def start(scene: Scene, processes: Processes) -> Iterator[Start]:
    """Starts a forward proxy with this configuration; it ends with the test."""
    started: list[Egress] = []

    def go(text: str | None, kind: str = "toml", files: Mapping[str, str] | None = None) -> Egress:
        home = scene.folder / f"proxy-{next(_numbers)}"
        home.mkdir()
        for name, content in (files or {}).items():
            (home / name).write_text(content)
        proxy = Egress(home, processes, text, kind=kind)
        proxy.start()
        started.append(proxy)
        return proxy

    yield go
    for proxy in started:
        if proxy.process.running:
            proxy.process.stop()


@pytest.fixture(scope="session")
def proxy(scene: Scene, processes: Processes) -> Egress:
    """One that nobody changes: `ci` may go everywhere."""
    proxy = Egress(scene.folder / "proxy", processes, scene.configuration())
    proxy.start()
    return proxy


@pytest.fixture(scope="session")
def websocket() -> Iterator[int]:
    """A server that sends back what it is sent, at this port."""

    def echo(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)

    with serve(echo, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield int(server.socket.getsockname()[1])
        server.shutdown()
    thread.join(10)


@dataclass(frozen=True)
class House:
    """A gateway with a forward proxy."""

    stack: Stack
    port: int
    file: Path

    def get(self, url: str, user: str | None = None, **more: str) -> httpx.Response:
        """Asks through it; `user` is NAME:KEY."""
        proxy = f"http://{user}@127.0.0.1:{self.port}" if user else f"http://127.0.0.1:{self.port}"
        with httpx.Client(proxy=proxy, trust_env=False, timeout=20, headers=more) as client:
            return client.get(url)

    def key(self, name: str, *groups: str) -> str:
        """The key of a new service account."""
        options = [option for group in groups for option in ("--group", group)]
        created = self.stack.cli.json("admin", "create", "service-account", name, *options)
        return str(created["key"])


@pytest.fixture(scope="session")
def house(root: Path, scene: Scene) -> Iterator[House]:
    """One for all tests."""
    folder, port = root / "egress-gateway", free_port()
    folder.mkdir()
    file = folder / "egress.toml"
    file.write_text(f'{PROFILES}\n[dns]\nresolvers = "{scene.names.address}"\nhosts_file = false\n')
    settings = {"EGRESS_LISTEN": f"127.0.0.1:{port}", "EGRESS_CONFIG": str(file)}
    with running(folder, settings) as stack:
        yield House(stack, port, file)
