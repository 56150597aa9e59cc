"""Envoy's dynamic forward proxy, as its documentation has it, with breakers wide open."""

from __future__ import annotations

import json
import os
from typing import Any

from benchmarks.egress.stage import Forward, Stage
from benchmarks.measure.origin import wait
from benchmarks.measure.packages import packages
from tests.e2e.stack.ports import free_port

ENVOY = "Envoy"

# More than anything here asks for: no breaker is measured.
_MANY = 100_000


def envoy(stage: Stage) -> Forward:
    """Envoy's dynamic forward proxy with as many threads as cores. Raises MissingWayError."""
    port = free_port()
    folder = stage.room("envoy")
    config = folder / "envoy.json"
    config.write_text(json.dumps(_envoy(port)), "utf-8")
    program = packages() / "envoy" / "_bin" / "envoy"
    cores = str(len(os.sched_getaffinity(0)))
    options = ["--concurrency", cores, "--disable-hot-restart", "--log-level", "error"]
    process = stage.processes.start("envoy", [program, "-c", config, *options])
    wait(process, port)
    return Forward(ENVOY, (process,), port)


def _envoy(port: int) -> dict[str, Any]:
    manager = _filter("envoy.filters.network.http_connection_manager", _manager())
    listener = {
        "name": "egress",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [manager]}],
    }
    many = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    cluster = {
        "name": "dynamic",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [dict.fromkeys(many, _MANY)]},
        "cluster_type": {
            "name": "envoy.clusters.dynamic_forward_proxy",
            "typed_config": _typed(
                "clusters.dynamic_forward_proxy.v3.ClusterConfig", {"dns_cache_config": _cache()}
            ),
        },
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _manager() -> tuple[str, dict[str, Any]]:
    connect = {"upgrade_type": "CONNECT"}
    routes = [
        {
            "match": {"connect_matcher": {}},
            "route": {"cluster": "dynamic", "upgrade_configs": [{**connect, "connect_config": {}}]},
        },
        {"match": {"prefix": "/"}, "route": {"cluster": "dynamic", "timeout": "0s"}},
    ]
    forward = (
        "filters.http.dynamic_forward_proxy.v3.FilterConfig",
        {"dns_cache_config": _cache()},
    )
    return "filters.network.http_connection_manager.v3.HttpConnectionManager", {
        "stat_prefix": "egress",
        "upgrade_configs": [connect],
        "stream_idle_timeout": "3600s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            _filter("envoy.filters.http.dynamic_forward_proxy", forward),
            _filter("envoy.filters.http.router", ("filters.http.router.v3.Router", {})),
        ],
    }


def _cache() -> dict[str, Any]:
    return {"name": "cache", "dns_lookup_family": "V4_ONLY"}


def _filter(name: str, config: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "typed_config": _typed(*config)}


def _typed(kind: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/envoy.extensions.{kind}", **config}
