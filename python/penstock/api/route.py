"""Routes that know who may call them."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from penstock.api.permission import Permission
from penstock.api.problems import MEDIA_TYPE, HttpError
from penstock.domain.errors import internal
from penstock.domain.user import Identity

BODY_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One method of one path. ``permission`` has no default, and never will."""

    method: str
    path: str
    call: Callable[..., Coroutine[Any, Any, Any]]
    permission: Permission
    status: int = 200
    response: type[Response] = JSONResponse
    answers: type | None = None
    in_schema: bool = True


class GuardedRoute(APIRoute):
    """Checks the permission before the body is read."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.permission = endpoint.permission
        super().__init__(
            endpoint.path,
            endpoint.call,
            methods=[endpoint.method],
            status_code=endpoint.status,
            response_class=endpoint.response,
            response_model=endpoint.answers,
            include_in_schema=endpoint.in_schema,
            operation_id=_operation_id(endpoint),
            tags=[endpoint.path.removeprefix("/api/").split("/")[0]],
            responses={"default": {"description": "Problem (RFC 9457)", "content": {MEDIA_TYPE: _PROBLEM}}},
            openapi_extra={
                "x-permission": str(endpoint.permission),
                "security": [] if endpoint.permission is Permission.PUBLIC else [{"token": []}],
            },
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework reads the body before it resolves dependencies, so a dependency would be too late."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            self.permission.check(request.state.proven)
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    await request.body()
            except TimeoutError:
                raise HttpError(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None
            return await handler(request)

        return guarded


async def _identity(request: Request) -> Identity:
    proven = request.state.proven
    if not isinstance(proven, Identity):
        raise internal("a public route asked who calls")
    return proven


async def _peer(request: Request) -> str:
    return str(request.state.peer)


CurrentIdentity = Annotated[Identity, Depends(_identity)]
"""Who calls a route that is not public."""

Peer = Annotated[str, Depends(_peer)]
"""The caller's address."""

_PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


def _operation_id(endpoint: Endpoint) -> str:
    words = endpoint.path.removeprefix("/api").replace("{", "").replace("}", "").replace(".", "/").split("/")
    return "_".join([endpoint.method.lower(), *filter(None, words)])
