"""Logging in at an app by browser."""

import re
from collections.abc import AsyncIterator
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from penstock.api.app import create_app
from penstock.api.resources.visits import COOKIE, local_path

from tests.unit.world import PASSWORD, PEER, World

pytestmark = pytest.mark.anyio
HOST = "shop.example:8080"
ME = {"email": "me@example.com", "password": PASSWORD}


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """What the engine passes on from a browser at the app ``shop``."""
    await world.app("shop", "dev")
    await world.user("me@example.com", "dev")
    headers = {"x-penstock-app": "shop", "x-forwarded-for": PEER, "origin": f"http://{HOST}"}
    transport = httpx.ASGITransport(app=create_app(world.services))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}", headers=headers) as client:
        yield client


def _cookie(answer: httpx.Response) -> Morsel[str]:
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE]


async def test_a_login_leads_where_one_was_going(world: World, browser: httpx.AsyncClient) -> None:
    page = await browser.get("/.penstock/login", params={"next": "/cart?id=1&x=%22"})
    assert 'name="next" value="/cart?id=1&amp;x=%22"' in page.text
    answer = await browser.post("/.penstock/login", data={**ME, "next": "/cart?id=1&x=%22"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/cart?id=1&x=%22")
    cookie = _cookie(answer)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], cookie["domain"]) == ("", "")
    assert cookie["expires"] == "Sat, 21 Nov 2026 13:00:00 GMT"
    assert (await world.authentication.identify(cookie.value)).user.email == "me@example.com"


@pytest.mark.parametrize("configured", [True, False])
async def test_a_cookie_is_secure_where_browsers_come_by_tls(
    world: World, browser: httpx.AsyncClient, configured: bool
) -> None:
    headers = {} if configured else {"x-forwarded-proto": "https"}
    transport = httpx.ASGITransport(app=create_app(world.services, secure_cookies=configured))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
        client.headers.update({**browser.headers, **headers})
        answer = await client.post("/.penstock/login", data=ME)
    assert _cookie(answer)["secure"] is True


async def test_behind_a_proxy_the_host_is_the_browsers(browser: httpx.AsyncClient) -> None:
    seen = {"x-forwarded-host": "shop.public.example", "origin": "https://shop.public.example"}
    page = await browser.get("/.penstock/login", headers=seen)
    assert "<title>Log in to shop.public.example" in page.text
    assert (await browser.post("/.penstock/login", data=ME, headers=seen)).status_code == 303
    elsewhere = {**seen, "origin": f"http://{HOST}"}
    assert (await browser.post("/.penstock/login", data=ME, headers=elsewhere)).status_code == 403


async def test_a_wrong_password_shows_the_form_again(browser: httpx.AsyncClient) -> None:
    wrong = {"email": 'me"<x>@example.com', "password": "hush-hush", "next": "/cart"}
    answer = await browser.post("/.penstock/login", data=wrong)
    assert answer.status_code == 401
    assert 'role="alert">E-mail or password is wrong' in answer.text
    assert 'value="/cart"' in answer.text
    assert 'value="me&quot;&lt;x&gt;@example.com"' in answer.text
    assert "hush-hush" not in answer.text
    assert "set-cookie" not in answer.headers


async def test_guessing_is_slowed_down(browser: httpx.AsyncClient) -> None:
    wrong = {**ME, "password": "hush-hush"}
    for _ in range(10):
        await browser.post("/.penstock/login", data=wrong)
    answer = await browser.post("/.penstock/login", data=ME)
    assert answer.status_code == 429
    assert "try again in" in answer.text


@pytest.mark.parametrize(
    "origin", ["", "null", "http://evil.example", f"http://{HOST}.evil.example", "http://shop.example"]
)
@pytest.mark.parametrize("page", ["login", "logout"])
async def test_a_form_from_elsewhere_is_refused(browser: httpx.AsyncClient, page: str, origin: str) -> None:
    answer = await browser.post(f"/.penstock/{page}", data=ME, headers={"origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "set-cookie" not in answer.headers


async def test_what_is_no_form_is_refused(browser: httpx.AsyncClient) -> None:
    for content in (b"\xff", b"&".join(b"a=1" for _ in range(100))):
        assert (await browser.post("/.penstock/login", content=content)).status_code == 400


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cart",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "/%0d%0a" + "x" * 4096,
        "/a\r\nSet-Cookie: x",
        "https://evil.example",
        "/é",
        "/.penstock/login?next=/.penstock/login",
    ],
)
async def test_a_login_leads_to_no_other_host(browser: httpx.AsyncClient, text: str) -> None:
    assert local_path(text) == "/"
    answer = await browser.post("/.penstock/login", data={**ME, "next": text})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_logging_out_takes_a_click_and_ends_the_token(world: World, browser: httpx.AsyncClient) -> None:
    grant = await world.authentication.login("me@example.com", PASSWORD, PEER)
    headers = {"cookie": f"{COOKIE}={grant.secret}"}
    page = await browser.get("/.penstock/logout", headers=headers)
    assert 'action="/.penstock/logout"' in page.text
    assert world.engine.ended_tokens == []
    answer = await browser.post("/.penstock/logout", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/.penstock/login")
    assert (_cookie(answer).value, _cookie(answer)["max-age"]) == ("", "0")
    assert world.engine.ended_tokens == [grant.identity.token.id]
    again = await browser.post("/.penstock/logout", headers=headers)
    assert again.status_code == 303


async def test_a_denial_names_the_rule(world: World, browser: httpx.AsyncClient) -> None:
    await world.app("vault", "ops")
    bearer = {"authorization": f"Bearer {await world.token('me@example.com')}"}
    denied = await browser.get("/.penstock/denied", headers={**bearer, "x-penstock-app": "vault"})
    assert denied.status_code == 403
    assert "rule &#x27;access&#x27; wants one of the groups admin, ops" in denied.text
    assert "Ask an admin" in denied.text
    allowed = await browser.get("/.penstock/denied", headers=bearer)
    assert (allowed.status_code, allowed.headers["location"]) == (303, "/")
    assert (await browser.get("/.penstock/denied")).status_code == 403


@pytest.mark.parametrize("page", ["login", "logout", "denied"])
async def test_the_pages_are_on_the_hosts_of_apps_alone(world: World, page: str) -> None:
    async with world.api() as client:
        answer = await client.get(f"/.penstock/{page}")
    assert answer.status_code == 404


async def test_the_pages_can_be_used_by_everybody(browser: httpx.AsyncClient) -> None:
    login = await browser.post("/.penstock/login", data={**ME, "password": "hush-hush"})
    for page in (login, await browser.get("/.penstock/logout")):
        assert '<html lang="en">' in page.text
        assert "<script" not in page.text
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["x-frame-options"] == "DENY"
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
    labels = set(re.findall(r'<label for="(\w+)"', login.text))
    assert labels == {"email", "password"}
    assert all(f'id="{label}"' in login.text for label in labels)
    assert login.text.count('aria-describedby="error"') == 2
