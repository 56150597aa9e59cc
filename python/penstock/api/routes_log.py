"""What ``GIN_MODE=debug`` logs at the start: every route of the ports."""

import structlog
from fastapi import FastAPI
from starlette.routing import Mount

from penstock.api.route import GuardedRoute

_CARRIED = (
    ("GET", "/", "grpc", "health of the port"),
    ("GET", "/healthz", "grpc", "health of the port"),
    ("POST", "/protobuf.Transport/Connect", "http, grpc", "links of agents and clients"),
    ("POST", "/grpc.health.v1.Health/Check", "http, grpc", "health of the ports"),
    ("POST", "/grpc.health.v1.Health/Watch", "http, grpc", "health of the ports"),
)
"""What the engine answers without the API (``crates/gateway/src/http``)."""


def log_routes(app: FastAPI) -> None:
    """One line each: method, path, on which port, and what it is or who may call it."""
    log = structlog.get_logger("penstock.routes")
    for method, path, port, what in _CARRIED:
        log.info("route", method=method, path=path, port=port, serves=what)
    for route in app.router.routes:
        if isinstance(route, GuardedRoute):
            for method in sorted(route.methods or ()):
                log.info(
                    "route", method=method, path=route.path, port="http", permission=str(route.permission)
                )
        elif isinstance(route, Mount):
            log.info("route", method="GET", path=route.path or "/", port="http", serves="the web app")
