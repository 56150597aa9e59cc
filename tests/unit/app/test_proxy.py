"""From settings to a proxy."""

from pathlib import Path
from typing import Any

import pytest
from penstock.app.proxy import reverse_proxy
from penstock.domain.errors import PenstockError
from penstock.settings import Settings, load

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """Settings of a proxy, with changes."""

    def make(**changes: str | None) -> Settings:
        given = {
            "PENSTOCK_HOME": str(tmp_path),
            "TLS_CERT": PEM,
            "TLS_KEY": PEM,
            "PROXY_WORKERS_CA": PEM,
            **changes,
        }
        return load({name: value for name, value in given.items() if value is not None})

    return make


def test_a_proxy_needs_a_certificate_and_the_workers_authority(settings: Any) -> None:
    assert reverse_proxy(settings()).workers() == ()
    for missing, named in (
        ("TLS_CERT", "TLS_CERT"),
        ("TLS_KEY", "TLS_KEY"),
        ("PROXY_WORKERS_CA", "--workers-ca"),
    ):
        with pytest.raises(PenstockError) as refused:
            reverse_proxy(settings(**{missing: None}))
        assert named in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PROXY_SELECTOR", "whoever"),
        ("PROXY_ROUTES", "a=b/c"),
        ("PROXY_ALLOW", "=shop"),
        ("PUBLIC_TLS_CERT", PEM),
    ],
)
def test_what_cannot_be_used_is_refused(settings: Any, name: str, value: str) -> None:
    with pytest.raises(PenstockError) as refused:
        reverse_proxy(settings(**{name: value}))
    assert refused.value.hint
