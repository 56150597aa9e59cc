"""Apps that the gateway publishes: who serves them, who may enter them, and until when."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.stack.gateway import ADMIN
from tests.e2e.stack.publish import Certificates
from tests.e2e.stack.published import Form, Published, publishing
from tests.e2e.stack.waiting import until

# What the product promises: revocation ends access within one second.
PROMISED = 1.0

BALANCER = "127.0.0.2"
"""An address of this machine's that is believed about who calls."""


@pytest.fixture(scope="module")
def published(root: Path) -> Iterator[Published]:
    """A gateway that publishes: `open` for everybody, `inner` for users, `staff` for a group."""
    with publishing(root / "published", {"TRUSTED_PROXIES": BALANCER}) as published:
        published.app("open")
        published.app("inner", "--identify")
        published.app(
            "staff", "--identify", "--access", "staff", "--worker", "staff-1", "--worker", "staff-2"
        )
        for name, app in (("open", "open"), ("inner", "inner"), ("staff-1", "staff")):
            published.serve(name, app)
        yield published


@pytest.fixture
def user(published: Published, request: pytest.FixtureRequest) -> str:
    """A new user's e-mail; the password is it, twice."""
    email = f"{request.node.name.removeprefix('test_')[:40]}@test.example"
    published.stack.api.post("users", email=email, password=email * 2, groups=["others"])
    return email


def _token(published: Published, email: str) -> tuple[str, str]:
    """A new token, and its identifier."""
    with published.stack.gateway.api() as api:
        grant = api.post("login", email=email, password=email * 2)
    return grant["token"], grant["token_id"]


def _seen(answer: httpx.Response) -> dict[str, Any]:
    """The request as the application saw it."""
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return {**told, "headers": dict(told["headers"])}


# Workers


def test_an_open_app_is_served_by_its_worker(published: Published) -> None:
    with published.client("open") as client:
        seen = _seen(client.get("/request/a?b=c", headers={"cookie": "penstock_app=pst_x; seat=1"}))
    assert (seen["path"], seen["query"]) == ("/request/a", "b=c")
    assert seen["headers"]["x-forwarded-host"] == published.host("open")
    assert seen["headers"]["cookie"] == "seat=1"
    assert "x-penstock-user" not in seen["headers"]
    line = published.told(group="open", path="/request/a")
    assert (line["status"], line["worker"], line["method"]) == (200, "open", "GET")
    assert published.told(message="worker attached", app="open")["worker"] == "open"


def test_the_app_is_shown_with_its_workers(published: Published) -> None:
    shown = published.cli.ok("admin", "get", "apps")
    (row,) = (line for line in shown.splitlines() if line.startswith("staff "))
    assert "staff.test" in row
    assert "staff-1, staff-2" in row
    assert "online" in row


def test_a_host_that_is_no_apps_has_nothing(published: Published) -> None:
    with published.client("nothing") as client:
        answer = client.get("/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_one_host_may_have_apps_by_path(published: Published) -> None:
    published.cli.ok("admin", "create", "app", "cart", "--route", "open.test/request/cart")
    worker = published.serve("cart")
    with published.client("open") as client:
        client.get("/request/cart/1")
        client.get("/request/carts")
        assert published.told(path="/request/cart/1")["group"] == "cart"
        assert published.told(path="/request/carts")["group"] == "open"
        published.cli.ok("admin", "delete", "app", "cart")
        assert _seen(client.get("/request/cart/2"))["path"] == "/request/cart/2"
    published.told(message="worker detached", app="cart")
    worker.process.stop()


def test_a_worker_whose_app_is_gone_is_nobody(published: Published) -> None:
    published.app("brief")
    worker = published.serve("brief")
    published.cli.ok("admin", "delete", "app", "brief")
    published.told(message="worker detached", app="brief")
    published.told(message="certificate refused", names=["brief"])
    with published.client("brief") as client:
        assert client.get("/hello").status_code == 404
    worker.process.stop()


def test_a_revoked_worker_serves_no_more(published: Published) -> None:
    worker = published.serve("staff-2", "staff")
    fingerprint = worker.certificate.fingerprint
    published.cli.ok("pki", "revoke", fingerprint, "--reason", "test")
    published.told(message="worker detached", fingerprint=fingerprint)
    assert published.links("staff") == 4
    worker.process.stop()


def test_a_name_is_an_agents_or_an_apps(published: Published) -> None:
    refused = published.cli.run("admin", "create", "agent", "inner", "-o", "json").problem
    assert (refused["code"], "an app's worker" in refused["detail"]) == ("conflict", True)
    refused = published.cli.run("admin", "create", "app", "office", "--route", "x.test", "-o", "json").problem
    assert (refused["code"], "an agent" in refused["detail"]) == ("conflict", True)


# Programs


def test_a_program_proves_itself_by_its_token(published: Published, user: str) -> None:
    token, _ = _token(published, user)
    basic = base64.b64encode(f"{user}:{token}".encode()).decode()
    with published.client("inner") as client:
        for authorization in (f"Bearer {token}", f"Basic {basic}"):
            seen = _seen(client.get("/request", headers={"authorization": authorization}))
            assert seen["headers"]["x-penstock-user"] == user
            assert seen["headers"]["x-penstock-groups"] == "others"
            assert "authorization" not in seen["headers"]
    assert published.told(group="inner", path="/request", user=user)["status"] == 200


def test_a_program_without_a_token_is_told_how(published: Published) -> None:
    with published.client("inner") as client:
        for headers in ({}, {"authorization": "Bearer pst_wrong"}, {"cookie": "penstock_app=pst_wrong"}):
            answer = client.get("/request", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["hint"]
            assert "Bearer" in answer.headers["www-authenticate"]


def test_who_calls_is_the_gateways_to_say(published: Published, user: str) -> None:
    token, _ = _token(published, user)
    forged = {"x-penstock-user": "root", "x_penstock_groups": "admin", "x-forwarded-for": "10.0.0.1"}
    # Fields that `Connection` names are of one hop, and go: ours must not.
    forged["connection"] = "x-penstock-user, x-penstock-groups"
    with published.client("inner", token) as client:
        seen = _seen(client.get("/request", headers=forged))
        assert (seen["headers"]["x-penstock-user"], seen["headers"]["x-penstock-groups"]) == (user, "others")
        assert seen["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert "x_penstock_groups" not in seen["headers"]
    with published.client("open") as client:
        seen = _seen(client.get("/request", headers=forged))
        assert not [name for name in seen["headers"] if "penstock" in name]


@pytest.mark.parametrize("source", [BALANCER, "127.0.0.3"])
def test_a_load_balancer_that_is_trusted_says_who_calls(published: Published, source: str) -> None:
    """To the application and in the log; anybody else's words are the same forgery as ever."""
    words = {
        "x-forwarded-for": "203.0.113.9",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "shop.example",
    }
    transport = httpx.HTTPTransport(local_address=source)
    url, host = f"http://127.0.0.1:{published.public}", published.host("open")
    with httpx.Client(transport=transport, base_url=url, headers={"host": host}) as client:
        seen = _seen(client.get(f"/request/from-{source}", headers=words))
    names = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
    if source != BALANCER:
        words = dict(zip(names, (source, "http", host), strict=True))
    assert {name: seen["headers"][name] for name in names} == words
    assert seen["scheme"] == words["x-forwarded-proto"]
    assert published.told(path=f"/request/from-{source}")["peer"] == words["x-forwarded-for"]


def test_who_may_not_enter_is_told_the_rule(published: Published, user: str) -> None:
    token, _ = _token(published, user)
    with published.client("staff", token) as client:
        answer = client.get("/request")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "rule 'access' wants one of the groups admin, staff" in answer.json()["detail"]
    assert published.told(message="visit denied", app="staff", user=user)["rule"] == "access"


# Browsers


def _log_in(client: httpx.Client, page: httpx.Response, email: str, password: str) -> httpx.Response:
    form = Form(page.text)
    return client.post(form.action, data={**form.fields, "email": email, "password": password})


def test_a_browser_logs_in_and_out(published: Published, user: str) -> None:
    with published.client("inner", browser=True) as client:
        sent = client.get("/request?a=1&b=%26")
        assert sent.status_code == 303
        page = client.get(sent.headers["location"])
        assert "<title>Log in to inner.test" in page.text
        wrong = _log_in(client, page, user, "hush-hush-hush")
        assert (wrong.status_code, "E-mail or password is wrong" in wrong.text) == (401, True)
        entered = _log_in(client, wrong, user, user * 2)
        assert (entered.status_code, entered.headers["location"]) == (303, "/request?a=1&b=%26")
        seen = _seen(client.get(entered.headers["location"], headers={"authorization": "Bearer its-own"}))
        assert (seen["query"], seen["headers"]["x-penstock-user"]) == ("a=1&b=%26", user)
        assert seen["headers"]["authorization"] == "Bearer its-own"
        assert "cookie" not in seen["headers"]
        token = client.cookies["penstock_app"]
        left = client.post("/.penstock/logout")
        assert (left.status_code, "penstock_app" in client.cookies) == (303, False)
        again = client.get("/request", headers={"cookie": f"penstock_app={token}"})
        assert again.headers["location"] == "/.penstock/login?next=/request"


def test_a_browser_is_shown_why_it_may_not_enter(published: Published, user: str) -> None:
    with published.client("staff", browser=True) as client:
        page = client.get(client.get("/").headers["location"])
        assert _log_in(client, page, user, user * 2).status_code == 303
        denied = client.get("/request")
    assert denied.status_code == 403
    assert denied.headers["content-type"].startswith("text/html")
    assert "rule &#x27;access&#x27; wants one of the groups admin, staff" in denied.text


def test_the_pages_are_on_no_other_host(published: Published) -> None:
    with published.client("open", browser=True) as client:
        assert client.get("/.penstock/login").text == "no such path\n"
    with published.client("inner", browser=True) as client:
        for path in ("/.penstock/denied", "/.penstock/", "/.penstock/api/users"):
            assert client.get(path).json()["code"] == "not-found"
    forged = {"x-penstock-app": "inner"}
    answer = published.stack.api.http.get(f"{published.stack.gateway.url}/.penstock/login", headers=forged)
    assert answer.status_code == 404


def test_over_tls_the_cookie_stays_on_tls(root: Path, certificates: Certificates) -> None:
    shown = certificates.edge
    variables = {"PUBLIC_TLS_CERT": str(shown.cert), "PUBLIC_TLS_KEY": str(shown.key)}
    with publishing(root / "published-tls", variables) as published:
        published.app("inner", "--identify")
        published.serve("inner")
        trust, url = ssl.create_default_context(cafile=str(shown.ca)), f"https://127.0.0.1:{published.public}"
        headers = {"host": published.host("inner"), "origin": f"https://{published.host('inner')}"}
        form = {"email": ADMIN, "password": published.stack.gateway.password, "next": "/request"}
        with httpx.Client(base_url=url, headers=headers, verify=trust, http2=True, trust_env=False) as client:
            entered = client.post("/.penstock/login", data=form)
            assert entered.status_code == 303
            assert "; Secure" in entered.headers["set-cookie"]
            seen = _seen(client.get("/request"))
            assert (seen["scheme"], seen["headers"]["x-penstock-user"]) == ("https", ADMIN)
            left = client.post("/.penstock/logout")
            assert "; Secure" in left.headers["set-cookie"]
        with pytest.raises(httpx.RemoteProtocolError), published.client("inner") as plain:
            plain.get("/request")


# Until when


def test_a_revoked_token_ends_access_and_what_is_under_way(published: Published, user: str) -> None:
    token, token_id = _token(published, user)
    authorization = {"Authorization": f"Bearer {token}"}
    tcp = socket.create_connection(("127.0.0.1", published.public), 10)
    websocket = connect(f"ws://{published.host('inner')}/", sock=tcp, additional_headers=authorization)
    with (
        websocket,
        published.client("inner", token) as client,
        client.stream("GET", f"/wait/{user}") as stream,
    ):
        websocket.send("here")
        assert websocket.recv(10) == "here"
        parts = stream.iter_bytes()
        assert next(parts) == b"waiting\n"
        started = time.monotonic()
        published.stack.api.delete(f"tokens/{token_id}")
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
        with pytest.raises(ConnectionClosed):
            websocket.recv(10)
        assert time.monotonic() - started < PROMISED
    with published.client("inner", token) as client:
        assert client.get("/hello").status_code == 401


def test_a_group_that_goes_takes_its_visitors_along(published: Published, user: str) -> None:
    published.stack.api.post("users", email=f"x{user}", password=f"x{user}" * 2, groups=["fleeting"])
    published.app("club", "--identify", "--access", "fleeting", "--worker", "club")
    published.serve("club")
    token, _ = _token(published, f"x{user}")
    with published.client("club", token) as client, client.stream("GET", f"/wait/{user}") as stream:
        parts = stream.iter_bytes()
        assert next(parts) == b"waiting\n"
        published.stack.api.delete("groups/fleeting")
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
    with published.client("club", token) as client:
        assert client.get("/hello").status_code == 403


def test_apps_outlive_the_gateway(published: Published, user: str) -> None:
    """Last of the module: a restart, with requests that wait for the workers to dial again."""
    token, _ = _token(published, user)
    published.stack.gateway.process.stop()
    published.stack.gateway.start()
    until("the worker is back", lambda: published.links("inner") == 4)
    with published.client("inner", token) as client:
        assert _seen(client.get("/request"))["headers"]["x-penstock-user"] == user
    assert json.loads(published.cli.ok("admin", "get", "app", "inner", "-o", "json"))["identify"] is True
