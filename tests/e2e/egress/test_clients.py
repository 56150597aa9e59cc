"""Programs as they are, each in clear and by TLS, with the key in the proxy's URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.egress.conftest import Scene
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.egress import Egress
from tests.e2e.stack.proxied import CLIENTS, Caller


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_reaches_the_other_side(
    scene: Scene, proxy: Egress, tmp_path: Path, name: str, tls: bool
) -> None:
    caller = Caller(tmp_path, proxy.url, "ci", scene.key, scene.ca)
    url = scene.url(tls=tls, path="")
    before = proxy.lines()
    assert CLIENTS[name](caller, url) == HELLO
    kind, requested = ("tunnel", scene.destination.tls_port) if tls else ("request", scene.destination.port)
    line = proxy.access(kind=kind, verdict="allowed", after=before)
    assert (line["principal"], line["requested"]) == ("ci", f"origin.test:{requested}")
    assert line["address"] == f"127.0.0.1:{requested}" and line["received_bytes"] >= len(HELLO)
    if tls:
        assert line["sni"] == "origin.test"


@pytest.mark.parametrize("name", ["urllib", "httpx"])
def test_a_wrong_key_is_told(scene: Scene, proxy: Egress, tmp_path: Path, name: str) -> None:
    caller = Caller(tmp_path, proxy.url, "ci", "pse_wrong", scene.ca)
    with pytest.raises(AssertionError, match="407"):
        CLIENTS[name](caller, scene.url(tls=True, path=""))
