"""Every error as ``application/problem+json`` (RFC 9457)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from penstock.domain.errors import STATUS, TITLE, Code, PenstockError, Side, malformed

MEDIA_TYPE = "application/problem+json"


class HttpError(PenstockError):
    """An error with an HTTP status of its own: 405, 413 and 422 are all ``malformed``."""

    def __init__(self, status: int, message: str, *, hint: str | None = None) -> None:
        super().__init__(Code.MALFORMED, Side.CLIENT, message, hint=hint)
        self.status = status


def problem(error: PenstockError, *, headers: Mapping[str, str] | None = None, **more: Any) -> Response:  # noqa: ANN401
    """The response for an error; ``more`` are extension members."""
    status, title = STATUS[error.code], TITLE[error.code]
    if isinstance(error, HttpError):
        status, title = error.status, HTTPStatus(error.status).phrase
    shape = {"type": "about:blank", "title": title, "status": status, "detail": error.message}
    shape |= {"code": error.code, "side": error.side, "hint": error.hint} | more
    extra = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(shape, status, headers={**(headers or {}), **extra}, media_type=MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """What the framework raises becomes a problem too."""
    app.add_exception_handler(PenstockError, _penstock_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_exception)


async def _penstock_error(_request: Request, error: Exception) -> Response:
    return problem(error if isinstance(error, PenstockError) else malformed(str(error)))


async def _invalid(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    # The input itself is not repeated: it may be a password.
    fields = [{"field": _field(e), "message": str(e["msg"])} for e in found]
    detail = (
        "; ".join(f"{field['field']}: {field['message']}" for field in fields) or "the request is invalid"
    )
    hint = "the fields are described at /api/openapi.json"
    return problem(HttpError(422, detail, hint=hint), errors=fields)


def _field(error: Mapping[str, Any]) -> str:
    where, *path = [str(part) for part in error["loc"]]
    if where == "body":  # where it is not JSON, what follows is a position
        return where if error["type"] == "json_invalid" or not path else ".".join(path)
    return ".".join((where, *path))


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    path, hint = request.url.path, "see /api/openapi.json"
    if error.status_code == HTTPStatus.NOT_FOUND:
        known = PenstockError(Code.NOT_FOUND, Side.CLIENT, f"there is nothing at {path}", hint=hint)
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        known = HttpError(405, f"{request.method} is not allowed at {path}", hint=hint)
    else:
        known = HttpError(error.status_code, str(error.detail))
    return problem(known, headers=error.headers)
