"""From settings to a worker."""

from pathlib import Path
from typing import Any

import pytest
from penstock.app.worker import worker_pool
from penstock.domain.errors import PenstockError
from penstock.settings import Settings, load
from penstock.worker import MutualTLSRequired

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """Settings of a worker, with changes."""

    def make(**changes: str | None) -> Settings:
        given = {
            "PENSTOCK_HOME": str(tmp_path),
            "WORKER_APP": "http://127.0.0.1:8000",
            "WORKER_CONNECT": "proxy.example.com:8443",
            "TLS_CERT": PEM,
            "TLS_KEY": PEM,
            **changes,
        }
        return load({name: value for name, value in given.items() if value is not None})

    return make


def test_a_worker_needs_something_to_serve_a_proxy_and_a_certificate(settings: Any) -> None:
    assert worker_pool(settings()).links == 0
    for missing, named in (("WORKER_APP", "WORKER_APP"), ("WORKER_CONNECT", "--connect")):
        with pytest.raises(PenstockError) as refused:
            worker_pool(settings(**{missing: None}))
        assert named in (refused.value.hint or "")
    for missing in ("TLS_CERT", "TLS_KEY"):
        with pytest.raises(MutualTLSRequired):
            worker_pool(settings(**{missing: None}))


@pytest.mark.parametrize(("said", "meant"), [("h2", "swap"), ("SWAP", "swap"), ("rh2", "rh2")])
def test_a_flavour_has_two_names(settings: Any, said: str, meant: str) -> None:
    assert settings(TUNNEL_FLAVOUR=said).tunnel_flavour == meant


def test_an_application_is_imported(settings: Any) -> None:
    with pytest.raises(PenstockError, match="no module"):
        worker_pool(settings(WORKER_APP="worker_test_nowhere:app"))
