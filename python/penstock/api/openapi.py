"""The description of the API (OpenAPI 3.1)."""

from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from penstock.domain.errors import Code, Side

_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457, with our code, who caused it, and what to do.",
    "required": ["type", "title", "status", "detail", "code", "side"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": [str(code) for code in Code]},
        "side": {"type": "string", "enum": [str(side) for side in Side]},
        "hint": {"type": ["string", "null"]},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}


def describe(routes: list[BaseRoute], version: str) -> dict[str, Any]:
    """The whole description."""
    schema = get_openapi(
        title="Penstock",
        version=version,
        description="Who may call an operation is its `x-permission`: public, user or admin.",
        routes=routes,
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return schema
