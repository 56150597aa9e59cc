"""The REST client: one gateway, one token, and errors that a person can act on."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from penstock import __version__
from penstock.cli import forward_proxy
from penstock.cli.errors import Refusal
from penstock.cli.forward_proxy import ForwardProxy
from penstock.cli.types import Json

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
# An answer that is no list of ours is cut here; a replay is streamed and has no bound.
_NO_ANSWER = "Check the address and the firewalls on the way."
_MAX_BODY = 64 * 1024 * 1024


class UntrustedError(Refusal):
    """The gateway's certificate does not lead to a CA that is trusted here."""


class Api:
    """A gateway's REST API. Every failure is a `Refusal` with the gateway's own words where it has any."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.url = url
        self._proxy = None if transport else forward_proxy.before(url)
        headers = {"User-Agent": f"penstock/{__version__}", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=f"{url}/api",
            headers=headers,
            verify=verify,
            transport=transport,
            timeout=_TIMEOUT,
            proxy=None if self._proxy is None else self._proxy.client,
            # What the environment says of proxies is read by the same rule as for links.
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, *path: str, **query: Json) -> Json:
        """The JSON answer to a GET."""
        return self._json("GET", path, params={name: v for name, v in query.items() if v is not None})

    def post(self, *path: str, body: Json = None, seconds: float | None = None) -> Json:
        """The JSON answer to a POST, None if there is none; `seconds` is for what takes its time."""
        more = {"timeout": seconds} if seconds else {}
        return self._json("POST", path, json=body, **more)

    def patch(self, *path: str, body: Json) -> Json:
        """The JSON answer to a PATCH."""
        return self._json("PATCH", path, json=body)

    def delete(self, *path: str) -> Json:
        """Deletes a resource."""
        return self._json("DELETE", path)

    def text(self, *path: str) -> str:
        """The answer to a GET as text."""
        return self._send("GET", path).decode("utf-8", "replace")

    def lines(self, *path: str) -> Iterator[str]:
        """The lines of an answer as they come, however many."""
        with _words_for_faults(self.url, self._proxy), self._http.stream("GET", _join(path)) as answer:
            _refuse_problem(answer)
            yield from (line for line in answer.iter_lines() if line)

    def _json(self, method: str, path: tuple[str, ...], **request: Json) -> Json:
        content = self._send(method, path, **request)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise _no_gateway(self.url) from error

    def _send(self, method: str, path: tuple[str, ...], **request: Json) -> bytes:
        with (
            _words_for_faults(self.url, self._proxy),
            self._http.stream(method, _join(path), **request) as answer,
        ):
            _refuse_problem(answer)
            return _read(answer)


def _join(path: tuple[str, ...]) -> str:
    for part in path:
        # Such a name would not stay in its place in the path.
        if part in ("", ".", ".."):
            raise Refusal(f"{part!r} is no name.", code="malformed")
    return "/" + "/".join(quote(part, safe="@") for part in path)


def _read(answer: httpx.Response) -> bytes:
    """The whole body; refuses one that no gateway of ours would send."""
    body = bytearray()
    for chunk in answer.iter_bytes():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Refusal("The gateway's answer is too long.", code="malformed", side="gateway")
    return bytes(body)


def _refuse_problem(answer: httpx.Response) -> None:
    """Raises what the gateway says if it does not say yes."""
    if answer.is_success:
        return
    try:
        problem = json.loads(_read(answer))
        detail = problem["detail"]
    except (ValueError, TypeError, KeyError):
        raise _no_gateway(str(answer.url), answer.status_code) from None
    code = str(problem.get("code") or "internal")
    hint = problem.get("hint") or _HINTS.get(code)
    raise Refusal(
        str(detail),
        hint=hint,
        code=code,
        side=str(problem.get("side") or "gateway"),
        status=answer.status_code,
        title=problem.get("title"),
    )


_HINTS = {
    "unauthenticated": "Log in again: penstock login",
    "forbidden": "Ask an administrator for access.",
}


def _no_gateway(url: str, status: int | None = None) -> Refusal:
    answered = f"answered {status} without a reason" if status else "did not answer in JSON"
    return Refusal(
        f"{url} {answered}: this is probably no Penstock gateway.",
        hint="Check the URL: penstock login --api-url URL",
        code="malformed",
        side="gateway",
    )


@contextmanager
def _words_for_faults(url: str, proxy: ForwardProxy | None) -> Iterator[None]:
    try:
        yield
    except httpx.ProxyError as error:
        raise proxy.refused(url, error) if proxy else _lost(str(error), _NO_ANSWER) from error
    except httpx.ConnectTimeout as error:
        raise proxy.unreachable(error) if proxy else _lost(f"{url} does not answer.", _NO_ANSWER) from error
    except httpx.TimeoutException as error:
        raise _lost(f"{url} did not answer in time.", "Try again, or ask: penstock status") from error
    except httpx.ConnectError as error:
        raise _no_connection(url, proxy, error) from error
    except httpx.TransportError as error:
        raise _lost(f"The connection to {url} was lost: {error}", "Is the gateway still running?") from error


def _no_connection(url: str, proxy: ForwardProxy | None, error: httpx.ConnectError) -> Refusal:
    reason = str(error)
    cause = _root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UntrustedError(
            f"{url} shows a certificate that is not trusted here: {cause.verify_message}",
            hint="Run: penstock login",
            code="untrusted",
            side="gateway",
        )
    if isinstance(cause, ssl.SSLError):
        return _lost(
            f"{url} does not speak TLS: {cause.reason or cause}", "Is it http:// instead of https://?"
        )
    if proxy:
        return proxy.unreachable(error)
    if isinstance(cause, ConnectionRefusedError):
        return _lost(f"Nothing listens at {url}.", "Is the gateway running? Start it: penstock start gateway")
    return _lost(f"{url} cannot be reached: {reason}", "Check the address and the network.")


def _root_cause(error: BaseException) -> BaseException:
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def _lost(message: str, hint: str) -> Refusal:
    return Refusal(message, hint=hint, code="lost", side="gateway")
