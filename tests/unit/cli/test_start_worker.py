"""`penstock start worker`: what it hands to the role, and what it says no to."""

import inspect
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from penstock.cli import roles
from penstock.cli.lazy import Lazy
from penstock.cli.start_worker import worker
from penstock.settings import Settings
from penstock.worker import WorkerPool

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "worker-and-proxy.md"

seen: list[Settings] = []


def run(settings: Settings) -> int:
    """The role, in the place of the composition root's."""
    seen.append(settings)
    return 0


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen.clear()
    monkeypatch.setitem(roles._ROLES, "worker", Lazy(f"{__name__}:run", "the worker"))
    monkeypatch.setattr(Lazy, "load", lambda _self: run)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))


def start(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(worker, arguments)


def test_options_become_settings(tmp_path: Path) -> None:
    pem = tmp_path / "w.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    options = {
        "--connect": "proxy.example.com:8443",
        "--certificate": str(pem),
        "--key": str(pem),
        "--ca": str(pem),
        "--server-name": "edge",
        "--connections": "4",
        "--max-concurrent-streams": "50",
        "--flavour": "rh2",
        "--upstream-ca": str(pem),
    }
    done = start("main:app", *(word for pair in options.items() for word in pair))
    assert done.exit_code == 0, done.output
    settings = seen[0]
    assert (settings.worker_app, settings.worker_connect) == ("main:app", "proxy.example.com:8443")
    assert (settings.worker_connections, settings.worker_max_concurrent_streams) == (4, 50)
    assert (settings.tunnel_flavour, settings.tls_server_name) == ("rh2", "edge")
    for secret in (settings.tls_cert, settings.tls_key, settings.tls_ca, settings.worker_upstream_ca):
        assert secret is not None and secret.get_secret_value() == pem.read_text()


def test_the_environment_is_read_and_options_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_APP", "http://127.0.0.1:1")
    monkeypatch.setenv("WORKER_CONNECT", "one.example.com:8443")
    assert start("--connect", "two.example.com:8443").exit_code == 0
    assert (seen[0].worker_app, seen[0].worker_connect) == ("http://127.0.0.1:1", "two.example.com:8443")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--connect", "proxy"], "WORKER_CONNECT"),
        (["--connections", "0"], "WORKER_CONNECTIONS"),
        (["--max-concurrent-streams", "0"], "WORKER_MAX_CONCURRENT_STREAMS"),
        (["--flavour", "h3"], "--flavour"),
        (["--certificate", "/nowhere/w.pem"], "/nowhere/w.pem"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], named: str) -> None:
    done = start("main:app", *arguments)
    assert done.exit_code != 0 and named in done.output and not seen


def test_the_reference_has_every_option_of_the_command_and_of_the_library() -> None:
    text = REFERENCE.read_text("utf-8")
    options = [param for param in worker.params if isinstance(param, click.Option) and param.name != "output"]
    for option in options:
        assert all(f"`{name}`" in text for name in option.opts), option.opts
        assert f"`{(option.help or '').rpartition('[env: ')[2].rstrip(']')}`" in text, option.name
    for name in inspect.signature(WorkerPool).parameters:
        assert f"`{name}=`" in text, name
