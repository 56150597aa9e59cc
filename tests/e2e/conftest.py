"""One stack for the tests that leave it as it was, and one of their own for those that break something."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.logs import leaks
from tests.e2e.stack.marked import MARK
from tests.e2e.stack.peers import HAPROXY, Peers, cache
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.postgres import Postgres, SealedPostgres, behind_tls
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.stack import Stack, running
from tests.e2e.stack.wheels import installed

_TAIL_LINES = 40
_root = pytest.StashKey[Path]()
_sizes = pytest.StashKey[dict[Path, int]]()
_peers = pytest.StashKey[Peers]()


@pytest.fixture(scope="session")
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Everything of the run is below it. SIGTERM ends the run as Ctrl-C does: in order."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    folder = request.config.stash[_root] = tmp_path_factory.mktemp("e2e")
    yield folder
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def postgres(root: Path) -> Iterator[Postgres]:
    """The upstream."""
    server = Postgres(root / "postgres")
    with Processes(root / "postgres-logs" / "logs") as processes, server.running(processes):
        yield server


@pytest.fixture(scope="session")
def sealed(root: Path, postgres: Postgres) -> Iterator[SealedPostgres]:
    """The upstream behind TLS."""
    with behind_tls(postgres, root) as fronts:
        yield fronts


@pytest.fixture(scope="session")
def stack(root: Path, postgres: Postgres) -> Iterator[Stack]:
    """Gateway, agent and administrator, with the connection `db` to the upstream; nobody ends any of them."""
    with running(root / "stack", {"LINK_KEEPALIVE_SECONDS": "2"}) as stack:
        stack.connection("db", postgres.env())
        yield stack


@pytest.fixture(scope="session")
def _mortal(root: Path, postgres: Postgres) -> Iterator[Stack]:
    with running(root / "mortal") as stack:
        stack.connection("db", postgres.env())
        yield stack


@pytest.fixture
def mortal(_mortal: Stack) -> Stack:
    """A stack whose gateway and agent a test may kill; the next test finds them alive again."""
    _mortal.mend()
    return _mortal


@pytest.fixture
def own_stack(root: Path, postgres: Postgres) -> Iterator[Callable[..., Stack]]:
    """Makes stacks with settings of their own, with the connection `db` to the upstream."""
    with ExitStack() as exits:

        def make(**variables: str) -> Stack:
            stack = exits.enter_context(running(root / uuid.uuid4().hex[:8], variables))
            stack.connection("db", postgres.env())
            return stack

        yield make


@pytest.fixture(scope="session")
def peers(request: pytest.FixtureRequest) -> Peers:
    """HAProxy and nginx, unpacked; which versions they are stands at the end of the run."""
    peers = Peers(cache())
    peers.bring()
    request.config.stash[_peers] = peers
    return peers


@pytest.fixture(scope="session")
def wheels() -> Path:
    """Where Envoy and the schemas of manifests are."""
    return installed(cache())


@pytest.fixture(scope="session")
def pki(root: Path) -> Iterator[Pki]:
    """An authority for workers and for what they dial."""
    with Processes(root / "pki" / "logs") as processes:
        yield Pki(Cli(root / "pki" / "home", processes))


@pytest.fixture(scope="session")
def certificates(pki: Pki) -> Certificates:
    """Those that most tests need."""
    return Certificates(pki.server("edge"), pki.issue("worker"), pki.issue("device"))


@pytest.fixture
def application() -> str:
    """A name for the test's client, by which its sessions are found."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture
def nothing_leaks(root: Path, postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no log of any process holds a password, a token, a key's secret or a statement."""
    names = [name for name in ("stack", "mortal") if name in request.fixturenames]
    stacks: list[Stack] = [request.getfixturevalue(name) for name in names]
    yield
    words = [MARK, *postgres.passwords.values()]
    for stack in stacks:
        words += [stack.gateway.password, stack.api.token or ""]
        words += [key.partition("@")[0].rpartition(":")[2] for key in stack.keys.values()]
        words += [token.read_text("ascii").strip() for token in stack.folder.glob("*/token")]
    assert leaks(root, words) == []


def _logs(config: pytest.Config) -> dict[Path, int]:
    root = config.stash.get(_root, None)
    found = [*root.glob("*/logs/*.log"), *root.glob("*/logs/*.out")] if root else []
    return {file: file.stat().st_size for file in sorted(found)}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes where the logs are, so that a failed test shows only what was logged in its time."""
    item.stash[_sizes] = _logs(item.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what every process logged during a test that failed."""
    report = yield
    if report.failed:
        before = item.stash.get(_sizes, {})
        for file, size in _logs(item.config).items():
            if size > (start := before.get(file, 0)):
                with file.open("rb") as log:
                    log.seek(start)
                    lines = log.read().decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
                report.sections.append((f"{file.parent.parent.name}/{file.name}", "\n".join(lines)))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says which versions of the peers the run was made with."""
    if peers := config.stash.get(_peers, None):
        for release in HAPROXY:
            terminalreporter.write_line(f"HAProxy of Debian {release}: {peers.haproxy_version(release)}")
