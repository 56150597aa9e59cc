"""Who may call which route: every route, for nobody, a user and an admin."""

import re

import pytest
from fastapi.routing import APIRoute
from penstock.api.app import create_app
from penstock.api.permission import Permission
from penstock.api.route import GuardedRoute

from tests.unit.world import World

pytestmark = pytest.mark.anyio

EXPECTED = {
    "GET /": "public",
    "GET /api/healthz": "public",
    "GET /api/serverinfo": "public",
    "GET /api/ca": "public",
    "GET /api/openapi.json": "public",
    "POST /api/setup": "public",
    "POST /api/login": "public",
    "POST /api/logout": "user",
    "GET /api/userinfo": "user",
    "GET /api/tokens": "user",
    "DELETE /api/tokens/{token_id}": "user",
    "GET /api/users": "admin",
    "POST /api/users": "admin",
    "GET /api/users/{user}": "admin",
    "DELETE /api/users/{user}": "admin",
    "GET /api/groups": "admin",
    "POST /api/groups": "admin",
    "GET /api/groups/{group}": "admin",
    "DELETE /api/groups/{group}": "admin",
    "GET /api/service-accounts": "admin",
    "POST /api/service-accounts": "admin",
    "GET /api/service-accounts/{account}": "admin",
    "PATCH /api/service-accounts/{account}": "admin",
    "POST /api/service-accounts/{account}/key": "admin",
    "DELETE /api/service-accounts/{account}": "admin",
    "GET /api/agents": "admin",
    "POST /api/agents": "admin",
    "GET /api/agents/{agent}": "admin",
    "DELETE /api/agents/{agent}": "admin",
    "GET /api/certificates": "admin",
    "POST /api/certificates": "admin",
    "DELETE /api/certificates/{fingerprint}": "admin",
    "GET /api/apps": "user",
    "POST /api/apps": "admin",
    "GET /api/apps/{app}": "user",
    "DELETE /api/apps/{app}": "admin",
    "GET /api/connections": "user",
    "POST /api/connections": "admin",
    "GET /api/connections/{connection}": "user",
    "DELETE /api/connections/{connection}": "admin",
    "GET /api/recordings/key": "user",
    "GET /api/sessions": "user",
    "GET /api/sessions/{session_id}": "user",
    "GET /api/sessions/{session_id}/replay": "user",
    "POST /api/sessions/{session_id}/verify": "user",
    "POST /api/sessions/{session_id}/kill": "user",
    "GET /.penstock/login": "public",
    "POST /.penstock/login": "public",
    "GET /.penstock/logout": "public",
    "POST /.penstock/logout": "public",
    "GET /.penstock/denied": "public",
}
_RANKS = ["public", "user", "admin"]


def _routes(world: World) -> dict[str, str]:
    found = {}
    for route in create_app(world.services).routes:
        assert isinstance(route, GuardedRoute), f"{route} was not declared as an endpoint"
        (method,) = route.methods or {"none"}
        found[f"{method} {route.path}"] = str(route.permission)
    return found


async def test_the_routes_and_their_permissions_are_these(world: World) -> None:
    assert _routes(world) == EXPECTED


@pytest.mark.parametrize("caller", _RANKS)
async def test_every_route_for_every_caller(world: World, caller: str) -> None:
    await world.user("me@example.com", "dev")
    for route, permission in EXPECTED.items():
        method, template = route.split(" ")
        path = re.sub(r"\{\w+\}", "nothing", template)
        async with world.api(await _token(world, caller)) as client:
            answer = await client.request(method, path)
        allowed = _RANKS.index(caller) >= _RANKS.index(permission)
        refusal = 401 if caller == "public" else 403
        if allowed:
            assert answer.status_code not in (401, 403), f"{caller} {route}"
        else:
            assert answer.status_code == refusal, f"{caller} {route}"
            assert answer.json()["code"] == {401: "unauthenticated", 403: "forbidden"}[refusal]
            assert answer.json()["hint"]


async def _token(world: World, caller: str) -> str | None:
    emails = {"user": "me@example.com", "admin": "admin@example.com"}
    return await world.token(emails[caller]) if caller in emails else None


def test_a_route_without_a_permission_cannot_be_made() -> None:
    async def handler() -> None: ...

    with pytest.raises(TypeError):
        GuardedRoute("/x", handler)  # type: ignore[arg-type, call-arg]
    assert issubclass(GuardedRoute, APIRoute)


async def test_the_description_names_every_permission(world: World) -> None:
    async with world.api() as client:
        paths = (await client.get("/api/openapi.json")).json()["paths"]
    described = {
        f"{method.upper()} {path}": operation["x-permission"]
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    hidden = {"GET /", "GET /api/openapi.json"}
    shown = {route for route in EXPECTED if route not in hidden and "/.penstock/" not in route}
    assert described == {route: who for route, who in EXPECTED.items() if route in shown}
    assert {str(permission) for permission in Permission} == set(_RANKS)
