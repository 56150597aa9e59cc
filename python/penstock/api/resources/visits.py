"""``/.penstock/``: the pages of apps that identify their callers, on the apps' own hosts.

The engine passes them on with the app's name in ``X-Penstock-App``, which callers cannot set.
"""

import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from penstock.api.permission import Permission
from penstock.api.route import Endpoint, Peer
from penstock.api.visit_pages import HEADERS, denied_page, login_page, logout_page
from penstock.domain.app import RESERVED
from penstock.domain.errors import STATUS, Code, PenstockError, forbidden, malformed, not_found
from penstock.domain.user import Identity
from penstock.services.authentication import Authentication
from penstock.services.tokens import Tokens
from penstock.services.visits import Visits

COOKIE = "penstock_app"

# Browsers take // and /\ for the beginning of a host's name.
_LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,2047}")
_FIELDS = 8


async def _app(request: Request) -> str:
    app = request.headers.get("x-penstock-app")
    if app is None:
        raise not_found("page", request.url.path, hint="it is on the hosts of published apps")
    return app


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent from this very origin, which browsers name whoever made the form.

    Raises ``forbidden`` and ``malformed``.
    """
    origin = urlsplit(request.headers.get("origin", "")).netloc
    if not origin or origin != _host(request):
        raise forbidden("the form was sent from elsewhere", hint="open the page again and send it from there")
    try:
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise malformed("this is not what the form sends", hint="open the page again") from None
    return {name: values[0] for name, values in fields.items()}


App = Annotated[str, Depends(_app)]
"""The app whose page is asked for."""

Form = Annotated[dict[str, str], Depends(_form)]
"""What was filled in."""

Next = Annotated[str, Query(alias="next", max_length=4096)]


class VisitResource:
    """Logging in and out by browser, and being told why one may not enter."""

    def __init__(
        self, authentication: Authentication, tokens: Tokens, visits: Visits, *, secure: bool
    ) -> None:
        self._authentication = authentication
        self._tokens = tokens
        self._visits = visits
        self._secure = secure

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            _page("GET", "login", self.show_login),
            _page("POST", "login", self.login),
            _page("GET", "logout", self.show_logout),
            _page("POST", "logout", self.logout),
            _page("GET", "denied", self.denied),
        ]

    async def show_login(self, request: Request, app: App, then: Next = "/") -> Response:
        """The form."""
        return _html(login_page(_host(request), local_path(then)))

    async def login(self, request: Request, app: App, form: Form, peer: Peer) -> Response:
        """A cookie with a new token, and on to where the caller wanted to go; or the form again."""
        email, password = form.get("email", "")[:254], form.get("password", "")[:1024]
        then = local_path(form.get("next", "/"))
        try:
            grant = await self._authentication.login(email, password, peer)
        except PenstockError as error:
            if error.code not in (Code.UNAUTHENTICATED, Code.LIMITED):
                raise
            return _html(login_page(_host(request), then, email, error), STATUS[error.code])
        answer = RedirectResponse(then, 303)
        answer.set_cookie(
            COOKIE,
            grant.secret,
            expires=grant.identity.token.expires_at,
            secure=self._is_secure(request),
            httponly=True,
            samesite="lax",
        )
        return answer

    async def show_logout(self, request: Request, app: App) -> Response:
        """Asks first: a link to here may be on anybody's page."""
        return _html(logout_page(_host(request)))

    async def logout(self, request: Request, app: App, form: Form) -> Response:
        """The token is revoked and the cookie goes."""
        try:
            identity = await self._authentication.identify(request.cookies.get(COOKIE, ""))
            await self._tokens.revoke(identity, identity.token.id)
        except PenstockError as error:
            if error.code not in (Code.UNAUTHENTICATED, Code.NOT_FOUND):
                raise
        answer = RedirectResponse(f"{RESERVED}/login", 303)
        answer.delete_cookie(COOKIE, secure=self._is_secure(request), httponly=True, samesite="lax")
        return answer

    async def denied(self, request: Request, app: App, peer: Peer) -> Response:
        """Why the caller may not enter; the engine asks for this page in the caller's place."""
        proven = request.state.proven
        try:
            if not isinstance(proven, Identity):
                raise proven or forbidden("nobody is logged in", hint="log in")
            await self._visits.admit(proven, app, peer)
        except PenstockError as error:
            return _html(denied_page(_host(request), error), STATUS[error.code])
        return RedirectResponse("/", 303)  # it was granted a moment ago

    def _is_secure(self, request: Request) -> bool:
        return self._secure or request.headers.get("x-forwarded-proto") == "https"


def local_path(text: str) -> str:
    """The path if it stays on this host, else ``/``."""
    if not _LOCAL.fullmatch(text) or text.startswith(f"{RESERVED}/"):
        return "/"
    return text


def _page(method: str, name: str, call: Callable[..., Coroutine[Any, Any, Response]]) -> Endpoint:
    return Endpoint(
        method=method,
        path=f"{RESERVED}/{name}",
        call=call,
        permission=Permission.PUBLIC,
        response=HTMLResponse,
        in_schema=False,
    )


def _host(request: Request) -> str:
    """The host as the browser knows it: the engine tells what a trusted proxy says of it."""
    return request.headers.get("x-forwarded-host") or request.headers.get("host", "")


def _html(page: str, status: int = 200) -> Response:
    return HTMLResponse(page, status, headers=HEADERS)
