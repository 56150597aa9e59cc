"""The doctor, as people run it, before one gateway that is well."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.stack.balancers.site import Site
from tests.e2e.stack.examined import Subject
from tests.e2e.stack.misled import Misled
from tests.e2e.stack.peers import Peers
from tests.e2e.stack.pki import Issued, Pki
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import AGENT, Stack

Mislead = Callable[..., Misled]


@pytest.fixture(scope="session")
def shown(pki: Pki) -> Issued:
    """What the balancers show: it is good, and for this machine."""
    return pki.server("balancer")


@pytest.fixture
def mislead(root: Path, stack: Stack, peers: Peers, wheels: Path, shown: Issued) -> Iterator[Mislead]:
    """Balancers before the gateway, to be set up wrongly."""
    with ExitStack() as exits:

        def make(certificate: Issued = shown) -> Misled:
            folder = root / uuid.uuid4().hex[:8]
            processes = exits.enter_context(Processes(folder / "logs"))
            ports = (stack.gateway.http_port, stack.gateway.grpc_port)
            return Misled(Site(folder, processes, peers, wheels, certificate, *ports))

        yield make


@pytest.fixture
def subject(stack: Stack, root: Path, shown: Issued) -> Subject:
    """The agent of the stack, with the balancers' CA."""
    secret = stack.keys[AGENT].partition("@")[0].rpartition(":")[2]
    return Subject(AGENT, secret, stack.processes, root / "doctor", str(shown.ca))
