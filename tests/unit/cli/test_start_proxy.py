"""`penstock start proxy`: what it hands to the role, and what it says no to."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from penstock.cli.lazy import Lazy
from penstock.cli.start_proxy import proxy
from penstock.settings import Settings

seen: list[Settings] = []


def run(settings: Settings) -> int:
    """The role, in the place of the composition root's."""
    seen.append(settings)
    return 0


@pytest.fixture(autouse=True)
def _role(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen.clear()
    monkeypatch.setattr(Lazy, "load", lambda _self: run)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))


def start(*arguments: str) -> Any:
    """The command's result."""
    return CliRunner().invoke(proxy, arguments)


def test_options_become_settings(tmp_path: Path) -> None:
    pem = tmp_path / "p.pem"
    pem.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    options = [
        *(
            "--tunnel-listen",
            "127.0.0.1:1",
            "--public-listen",
            "127.0.0.1:2",
            "--admin-listen",
            "127.0.0.1:3",
        ),
        *("--certificate", str(pem), "--key", str(pem), "--workers-ca", str(pem)),
        *("--public-certificate", str(pem), "--public-key", str(pem)),
        *("--allow", "shop-*=shop", "--allow", "cart", "--route", "shop.example=shop", "--route", "*"),
        *("--selector", "cookie:seat", "--max-concurrent-streams", "50", "--retries", "1"),
        *("--wait-seconds", "0.5", "--head-seconds", "5", "--access-log", "--public-behind-tls"),
    ]
    done = start(*options)
    assert done.exit_code == 0, done.output
    told = seen[0]
    assert (told.tunnel_listen, told.public_listen, told.admin_listen) == (
        "127.0.0.1:1",
        "127.0.0.1:2",
        "127.0.0.1:3",
    )
    assert (told.proxy_allow, told.proxy_routes) == (("shop-*=shop", "cart"), ("shop.example=shop", "*"))
    assert (told.proxy_selector, told.proxy_max_concurrent_streams, told.proxy_retries) == (
        "cookie:seat",
        50,
        1,
    )
    assert (told.proxy_wait_seconds, told.proxy_head_seconds, told.proxy_access_log) == (0.5, 5, True)
    assert told.public_behind_tls
    for secret in (
        told.tls_cert,
        told.tls_key,
        told.proxy_workers_ca,
        told.public_tls_cert,
        told.public_tls_key,
    ):
        assert secret is not None and secret.get_secret_value() == pem.read_text()


def test_the_environment_is_read_and_options_stand_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_ROUTES", "a.example=a, b.example=b")
    monkeypatch.setenv("PROXY_SELECTOR", "round-robin")
    assert start("--selector", "power-of-two").exit_code == 0
    assert seen[0].proxy_routes == ("a.example=a", "b.example=b")
    assert seen[0].proxy_selector == "power-of-two"


def test_what_is_no_setting_is_refused() -> None:
    done = start("--tunnel-listen", "nowhere")
    assert done.exit_code == 1
    assert "TUNNEL_LISTEN" in done.output
    assert not seen


def test_help_has_examples() -> None:
    assert "--route shop.example.com/cart=cart" in start("--help").output
