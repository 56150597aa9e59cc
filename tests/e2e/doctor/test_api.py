"""A login whose API is not where it was, or not what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.doctor.conftest import Mislead
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.examined import Examined, examined
from tests.e2e.stack.pki import Issued
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.stack import Stack


@pytest.fixture
def login(stack: Stack, tmp_path: Path) -> Cli:
    """The administrator's, in a home where the API's address can be changed."""
    return Cli(tmp_path, stack.processes, {"PENSTOCK_TOKEN": stack.api.token or ""})


def _examine(stack: Stack, login: Cli, api_url: str, ca: Path) -> Examined:
    config = (stack.cli.home / "config.toml").read_text("utf-8").splitlines()
    kept = [line for line in config if not line.startswith(("api_url", "ca_file"))]
    changed = [f'api_url = "{api_url}"', f'ca_file = "{ca}"', *kept]
    (login.home / "config.toml").write_text("\n".join(changed), "utf-8")
    done = login.run("doctor", "-o", "json")
    return examined(done.code, done.json)


def test_an_api_that_is_not_forwarded(stack: Stack, login: Cli, mislead: Mislead, shown: Issued) -> None:
    misled = mislead()
    misled.nginx("listen 127.0.0.1:$port ssl; location / { return 404; }")

    found = _examine(stack, login, f"https://localhost:{misled.port}", shown.ca)

    assert (found.failed, found.diagnosis("api")) == (["api"], "api-not-forwarded"), found
    assert found.checks["message"]["status"] == "ok"


def test_an_api_where_nobody_listens(stack: Stack, login: Cli, shown: Issued) -> None:
    found = _examine(stack, login, f"https://localhost:{free_port()}", shown.ca)

    assert (found.failed, found.diagnosis("api")) == (["api"], "api-unreachable"), found


def test_an_api_with_another_ca(stack: Stack, login: Cli, mislead: Mislead) -> None:
    misled = mislead()
    misled.nginx("listen 127.0.0.1:$port ssl; location / { proxy_pass https://127.0.0.1:$http; }")

    found = _examine(stack, login, f"https://localhost:{misled.port}", stack.gateway.ca)

    assert (found.failed, found.diagnosis("api")) == (["api"], "api-not-trusted"), found
