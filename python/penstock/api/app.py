"""Puts the API together."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.api.gatekeeper import Gatekeeper
from penstock.api.openapi import describe
from penstock.api.problems import add_handlers
from penstock.api.resources.agents import AgentResource
from penstock.api.resources.apps import AppResource
from penstock.api.resources.certificates import CertificateResource
from penstock.api.resources.connections import ConnectionResource
from penstock.api.resources.groups import GroupResource
from penstock.api.resources.health import HealthResource
from penstock.api.resources.login import LoginResource
from penstock.api.resources.server import ServerResource
from penstock.api.resources.service_accounts import ServiceAccountResource
from penstock.api.resources.sessions import SessionResource
from penstock.api.resources.tokens import TokenResource
from penstock.api.resources.users import UserResource
from penstock.api.resources.visits import VisitResource
from penstock.api.route import Endpoint, GuardedRoute
from penstock.services import Services

_WEB_APP_POLICY = (
    "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def create_app(services: Services, *, static_ui: Path | None = None, secure_cookies: bool = False) -> FastAPI:
    """The ASGI application.

    ``static_ui`` is a folder with a web app to serve at ``/``; ``secure_cookies``: browsers reach the public
    port by TLS, whoever ends it.
    """
    # The framework's own documentation pages load their scripts from elsewhere: they stay off.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)

    def description() -> dict[str, Any]:
        return describe(app.routes, services.server.version)

    endpoints = [
        *ServerResource(services.server, services.setup, description, page=static_ui is None).endpoints(),
        *_resources(services),
        *VisitResource(
            services.authentication, services.tokens, services.visits, secure=secure_cookies
        ).endpoints(),
    ]
    app.router.routes.extend(GuardedRoute(endpoint) for endpoint in endpoints)
    if static_ui is not None:
        app.mount("/", _WebApp(static_ui))
    add_handlers(app)
    app.add_middleware(Gatekeeper, identify=services.authentication.identify)
    return app


def _resources(services: Services) -> list[Endpoint]:
    return [
        *HealthResource(services.health).endpoints(),
        *LoginResource(services.authentication, services.setup, services.tokens).endpoints(),
        *TokenResource(services.tokens).endpoints(),
        *UserResource(services.users).endpoints(),
        *GroupResource(services.groups).endpoints(),
        *ServiceAccountResource(services.service_accounts).endpoints(),
        *AgentResource(services.agents).endpoints(),
        *CertificateResource(services.certificates).endpoints(),
        *AppResource(services.apps).endpoints(),
        *ConnectionResource(services.connections).endpoints(),
        *SessionResource(services.sessions).endpoints(),
    ]


class _WebApp:
    """A folder of files, with a policy that lets them load nothing from elsewhere."""

    def __init__(self, folder: Path) -> None:
        self._files: ASGIApp = StaticFiles(directory=folder, html=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", _WEB_APP_POLICY.encode())
                message = {**message, "headers": [*message["headers"], policy]}
            await send(message)

        await self._files(scope, receive, with_policy)
