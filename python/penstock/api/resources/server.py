"""What the gateway says of itself: ``/``, ``/api/serverinfo``, ``/api/ca``, ``/api/openapi.json``."""

from collections.abc import Callable
from typing import Any

from starlette.responses import HTMLResponse, Response

from penstock.api.page import content_security_policy, render
from penstock.api.permission import Permission
from penstock.api.route import Endpoint
from penstock.api.shape import Shape
from penstock.domain.errors import not_found
from penstock.services.server import ServerInfo
from penstock.services.setup import Setup


class PemResponse(Response):
    """A certificate in PEM."""

    media_type = "application/x-pem-file"


class ServerShape(Shape):
    """Where to go, and whom to trust there."""

    version: str
    api_url: str
    grpc_url: str
    ca_pin: str | None
    setup_required: bool


class ServerResource:
    """Needs no login."""

    def __init__(
        self, server: ServerInfo, setup: Setup, description: Callable[[], dict[str, Any]], *, page: bool
    ) -> None:
        self._server = server
        self._setup = setup
        self._description = description
        self._page = page

    def endpoints(self) -> list[Endpoint]:
        """What is served; ``/`` only where no web app takes its place."""
        public = Permission.PUBLIC
        described = [
            Endpoint(
                method="GET", path="/api/serverinfo", call=self.get, permission=public, answers=ServerShape
            ),
            Endpoint(method="GET", path="/api/ca", call=self.ca, permission=public, response=PemResponse),
            Endpoint(
                method="GET", path="/api/openapi.json", call=self.openapi, permission=public, in_schema=False
            ),
        ]
        home = Endpoint(
            method="GET",
            path="/",
            call=self.page,
            permission=public,
            response=HTMLResponse,
            in_schema=False,
        )
        return [*described, home] if self._page else described

    async def get(self) -> ServerShape:
        """The advertised addresses, and the pin of the own CA if the gRPC address leads to it."""
        return ServerShape(
            version=self._server.version,
            api_url=self._server.api_url,
            grpc_url=self._server.grpc_url,
            ca_pin=self._server.grpc_ca_pin,
            setup_required=await self._setup.required(),
        )

    async def ca(self) -> PemResponse:
        """The gateway's own CA."""
        if self._server.ca_pem is None:
            raise not_found("CA", "own", hint="the gateway has a certificate from elsewhere (TLS_CERT)")
        return PemResponse(self._server.ca_pem)

    async def openapi(self) -> dict[str, Any]:
        """The description of the API."""
        return self._description()

    async def page(self) -> HTMLResponse:
        """A page for people who came by browser."""
        page = render(self._server.api_url, self._server.version)
        return HTMLResponse(page, headers={"Content-Security-Policy": content_security_policy()})
