"""The forward proxy as a listener of the gateway: its users and service accounts call."""

from __future__ import annotations

from urllib.parse import quote

from tests.e2e.egress.conftest import House, Scene
from tests.e2e.stack.destination import HELLO
from tests.e2e.stack.stack import Stack
from tests.e2e.stack.tunnel import status, tunnel
from tests.e2e.stack.waiting import until


def test_a_service_account_is_judged_by_its_groups(scene: Scene, house: House) -> None:
    key = house.key("ci", "build")
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
    user = f"nightly:{house.key('nightly', 'build')}"
    assert house.get(scene.url(), user).content == HELLO
    house.stack.cli.ok("admin", "update", "service-account", "nightly", "--disable")
    until("it is out", lambda: house.get(scene.url(), user).status_code == 407, 5)
    house.stack.cli.ok("admin", "update", "service-account", "nightly", "--enable")
    until("it is in", lambda: house.get(scene.url(), user).status_code == 200, 5)


def test_profiles_are_changed_in_the_file(scene: Scene, house: House) -> None:
    user = f"moving:{house.key('moving', 'build')}"
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
    key = house.key("seen", "build")
    assert house.get(scene.url(), f"seen:{key}").content == HELLO
    admin = house.stack.gateway.admin
    assert "penstock_egress" in admin("metrics").text and admin("metrics").text.count("# EOF") == 1
    assert "dns_cache.egress.num_hosts" in admin("stats").json()["egress"]
    dump = admin("config_dump")
    assert dump.json()["egress"]["profiles"][0]["name"] == "build" and key not in dump.text


def test_the_port_is_closed_where_it_is_not_asked_for(stack: Stack) -> None:
    assert stack.gateway.admin("stats").json()["egress"] is None


def test_a_new_key_ends_what_the_old_one_opened(scene: Scene, house: House) -> None:
    user = f"rotated:{house.key('rotated', 'build')}"
    target = f"origin.test:{scene.destination.port}"
    with tunnel(house.port, target, user) as opened:
        assert opened.get() == HELLO
        house.stack.cli.ok("admin", "update", "service-account", "rotated", "--new-key")
        assert opened.ends()
