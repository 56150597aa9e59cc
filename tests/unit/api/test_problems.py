"""Every error is a problem."""

import pytest

from tests.unit.world import PASSWORD, World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not-found"),
        ("GET", "/api/nothing", 404, "not-found"),
        ("GET", "/api/healthz/", 404, "not-found"),
        ("PUT", "/api/users", 405, "malformed"),
        ("DELETE", "/", 405, "malformed"),
    ],
)
async def test_what_is_not_there(world: World, method: str, path: str, status: int, code: str) -> None:
    async with world.api() as client:
        answer = await client.request(method, path)
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "about:blank"
    assert all(problem[key] for key in ("title", "detail", "side", "hint"))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"", "body"),
        (b"[]", "body"),
        (b"{}", "email"),
        (b'{"email":"a@b","password":["hush"]}', "password"),
        (b'{"email":"a@b","password":"hush","also":"hush"}', "also"),
        (b'{"email":"%s","password":"hush"}' % (b"a" * 300), "email"),
    ],
)
async def test_what_is_invalid_names_the_field_and_repeats_nothing(
    world: World, body: bytes, field: str
) -> None:
    async with world.api() as client:
        answer = await client.post("/api/login", content=body, headers={"content-type": "application/json"})
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "malformed")
    assert any(error["field"].startswith(field) for error in problem["errors"])
    assert field in problem["detail"]
    assert "hush" not in answer.text


async def test_a_service_error_keeps_its_words(world: World) -> None:
    await world.admin()
    async with world.api() as client:
        answer = await client.post("/api/login", json={"email": "a@example.com", "password": PASSWORD})
    assert answer.status_code == 401
    assert answer.json() == {
        "type": "about:blank",
        "title": "Not authenticated",
        "status": 401,
        "detail": "e-mail or password is wrong",
        "code": "unauthenticated",
        "side": "client",
        "hint": "check both and try again",
    }
