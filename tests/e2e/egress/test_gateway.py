"""The forward proxy as a listener of the gateway: its users and service accounts call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from tests.e2e.egress.conftest import Scene
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.stack import Stack, running
from tests.e2e.stack.tunnel import status, tunnel
from tests.e2e.stack.waiting import until

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

[guard]
allow = "127.0.0.1"
"""


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


@pytest.fixture(scope="module")
def house(root: Path, scene: Scene) -> Iterator[House]:
    """One for all tests of this file."""
    folder, port = root / "egress-gateway", free_port()
    folder.mkdir()
    file = folder / "egress.toml"
    file.write_text(f'{PROFILES}\n[dns]\nresolvers = "{scene.names.address}"\nhosts_file = false\n')
    settings = {"EGRESS_LISTEN": f"127.0.0.1:{port}", "EGRESS_CONFIG": str(file)}
    with running(folder, settings) as stack:
        yield House(stack, port, file)


def key_of(house: House, name: str, *groups: str) -> str:
    """The key of a new service account."""
    options = [option for group in groups for option in ("--group", group)]
    created = house.stack.cli.json("admin", "create", "service-account", name, *options)
    return str(created["key"])


def test_a_service_account_is_judged_by_its_groups(scene: Scene, house: House) -> None:
    key = key_of(house, "ci", "build")
    assert house.get(scene.url(), f"ci:{key}").content == HELLO
    assert house.get(scene.url(), **{"proxy-authorization": f"Bearer {key}"}).content == HELLO
    denied = house.get(scene.url("other.test"), f"ci:{key}")
    assert denied.status_code == 403 and "no rule allows" in denied.text
    assert house.get(scene.url(), f"somebody:{key}").status_code == 407
    assert house.get(scene.url(), "ci:pss_wrong").status_code == 407
    assert house.get(scene.url()).status_code == 407


def test_a_user_is_judged_by_name(scene: Scene, house: House) -> None:
    house.stack.user("ann@example.com")
    with house.stack.gateway.api() as api:
        api.log_in("ann@example.com", "ann@example.com" * 2)
        user = f"{quote('ann@example.com', safe='')}:{api.token}"
        assert house.get(scene.url("other.test"), user).content == HELLO
        assert house.get(scene.url(), user).status_code == 403
        api.post("logout")
        until("the token is over", lambda: house.get(scene.url("other.test"), user).status_code == 407)


def test_a_disabled_account_is_out_within_seconds(scene: Scene, house: House) -> None:
    user = f"nightly:{key_of(house, 'nightly', 'build')}"
    assert house.get(scene.url(), user).content == HELLO
    house.stack.cli.ok("admin", "update", "service-account", "nightly", "--disable")
    until("it is out", lambda: house.get(scene.url(), user).status_code == 407, 5)
    house.stack.cli.ok("admin", "update", "service-account", "nightly", "--enable")
    until("it is in", lambda: house.get(scene.url(), user).status_code == 200, 5)


def test_profiles_are_changed_in_the_file(scene: Scene, house: House) -> None:
    user = f"moving:{key_of(house, 'moving', 'build')}"
    text = house.file.read_text()
    target = f"origin.test:{scene.destination.port}"
    try:
        with tunnel(house.port, target, user) as opened:
            assert opened.get() == HELLO
            house.file.write_text(text.replace('allow = "origin.test"', 'deny = "origin.test"'))
            until("it is denied", lambda: status(house.port, target, user) == 403, 10)
            assert opened.get() == HELLO
            house.file.write_text(text + '[caller.x]\nnetworks = "127.0.0.0/8"\n')
            log = house.stack.gateway.process.log
            until("it is refused", lambda: "is for a forward proxy on its own" in log.read_text("utf-8"))
            assert status(house.port, target, user) == 403
    finally:
        house.file.write_text(text)
    until("it is allowed", lambda: status(house.port, target, user) == 200, 10)


def test_the_admin_port_tells_of_it(scene: Scene, house: House) -> None:
    key = key_of(house, "seen", "build")
    assert house.get(scene.url(), f"seen:{key}").content == HELLO
    admin = house.stack.gateway.admin
    assert "penstock_egress" in admin("metrics").text and admin("metrics").text.count("# EOF") == 1
    assert "dns_cache.egress.num_hosts" in admin("stats").json()["egress"]
    dump = admin("config_dump")
    assert dump.json()["egress"]["profiles"][0]["name"] == "build" and key not in dump.text


def test_the_port_is_closed_where_it_is_not_asked_for(stack: Stack) -> None:
    assert stack.gateway.admin("stats").json()["egress"] is None


def test_a_new_key_ends_what_the_old_one_opened(scene: Scene, house: House) -> None:
    user = f"rotated:{key_of(house, 'rotated', 'build')}"
    target = f"origin.test:{scene.destination.port}"
    with tunnel(house.port, target, user) as opened:
        assert opened.get() == HELLO
        house.stack.cli.ok("admin", "update", "service-account", "rotated", "--new-key")
        assert opened.ends()
