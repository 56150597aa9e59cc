"""What is shipped for Kubernetes, Istio and AWS, beside the schemas of those who read it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from tests.e2e.stack.balancers.site import DEPLOY
from tests.e2e.stack.crds import definitions
from tests.e2e.stack.peers import cache

Schemas: TypeAlias = dict[tuple[str, str], Any]
Resource: TypeAlias = dict[str, Any]

KUBERNETES = ["kubernetes/service.yaml", "kubernetes/ingress-nginx.yaml"]
CUSTOM = [
    "kubernetes/gateway-api.yaml",
    "kubernetes/gateway-api-two-domains.yaml",
    "istio/gateway.yaml",
    "istio/virtual-service.yaml",
]
ALB = "aws/alb.yaml"


@pytest.fixture(scope="module")
def schemas() -> Schemas:
    """Of the Gateway API and of Istio, in which an unknown field is an error."""
    found = definitions(cache())
    return {
        # What is beside `spec` is Kubernetes' own, and not in every definition.
        name: {**schema, "properties": {**schema["properties"], "spec": strict(schema["properties"]["spec"])}}
        for name, schema in found.items()
    }


def strict(schema: Any) -> Any:
    """The schema without the leniency of Kubernetes, which drops fields that it does not know."""
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {name: strict(part) for name, part in schema["properties"].items()}
        schema.setdefault("additionalProperties", False)
    if "items" in schema:
        schema["items"] = strict(schema["items"])
    return schema


def resources(name: str) -> list[Resource]:
    """What is in a file below `deploy`."""
    return list(yaml.safe_load_all((DEPLOY / name).read_text("utf-8")))


def tool(wheels: Path, *command: str | Path) -> tuple[int, str]:
    """The exit code of a foreign Python program, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(wheels)}
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stdout


def faults(resource: Resource, schemas: Schemas, wheels: Path, folder: Path) -> str:
    """What a schema takes exception to; empty if nothing."""
    schema, instance = folder / "schema.json", folder / "instance.json"
    schema.write_text(json.dumps(schemas[resource["apiVersion"], resource["kind"]]), "utf-8")
    instance.write_text(json.dumps(resource), "utf-8")
    code, told = tool(wheels, "-W", "ignore", "-m", "jsonschema", "-i", instance, schema)
    assert (code == 0) == (not told), told
    return told


def test_every_manifest_is_checked() -> None:
    """None is shipped that no test reads."""
    found = [file for name in ("kubernetes", "istio", "aws") for file in (DEPLOY / name).iterdir()]
    assert sorted(str(file.relative_to(DEPLOY)) for file in found) == sorted([*KUBERNETES, *CUSTOM, ALB])


@pytest.mark.parametrize("name", KUBERNETES)
def test_what_kubernetes_itself_reads(name: str, wheels: Path) -> None:
    """Strictly: an unknown field is an error."""
    code, told = tool(wheels, "-m", "kubernetes_validate", "--strict", DEPLOY / name)
    assert code == 0 and told.count("passed for resource") == len(resources(name)), told


@pytest.mark.parametrize("name", CUSTOM)
def test_what_istio_and_the_gateway_api_read(
    name: str, schemas: Schemas, wheels: Path, tmp_path: Path
) -> None:
    """An unknown field is an error, which is seen."""
    for resource in resources(name):
        assert faults(resource, schemas, wheels, tmp_path) == ""
        wrong: Resource = copy.deepcopy(resource)
        wrong["spec"]["nonsense"] = 1
        assert "nonsense" in faults(wrong, schemas, wheels, tmp_path)


def test_what_cloudformation_reads(wheels: Path, tmp_path: Path) -> None:
    """Types, properties, values and references; a property that there is not is seen."""
    linter = wheels / "bin" / "cfn-lint"
    assert tool(wheels, linter, DEPLOY / ALB) == (0, "")
    wrong = tmp_path / "alb.yaml"
    wrong.write_text((DEPLOY / ALB).read_text("utf-8").replace("HealthCheckPath:", "HealthPath:"), "utf-8")
    code, told = tool(wheels, linter, wrong)
    assert code != 0 and "HealthPath" in told


def test_both_ports_have_a_service_and_nothing_else_is_named() -> None:
    """Every backend is one of the Service's ports."""
    (service,) = resources("kubernetes/service.yaml")
    ports = {port["port"]: port["appProtocol"] for port in service["spec"]["ports"]}
    assert ports == {8009: "http", 8010: "kubernetes.io/h2c"}
    for name in [*CUSTOM, "kubernetes/ingress-nginx.yaml"]:
        for resource in resources(name):
            assert set(_backends(resource["spec"])) <= {("penstock", port) for port in ports}


def _backends(part: Any) -> list[tuple[str, int]]:
    if isinstance(part, list):
        return [found for each in part for found in _backends(each)]
    if not isinstance(part, dict):
        return []
    name, port = part.get("name", part.get("host")), part.get("port")
    if isinstance(name, str) and port is not None and "hostname" not in part:
        return [(name, port if isinstance(port, int) else port["number"])]
    return [found for each in part.values() for found in _backends(each)]


def test_links_have_no_time_out_and_no_retries() -> None:
    """They come first, by their prefix, and lead to the gRPC port."""
    (istio,) = resources("istio/virtual-service.yaml")
    links = istio["spec"]["http"][0]
    assert links["match"] == [{"uri": {"prefix": "/protobuf.Transport"}}]
    assert links["retries"] == {"attempts": 0} and "timeout" not in links
    assert _backends(links["route"]) == [("penstock", 8010)]
    route = resources("kubernetes/gateway-api.yaml")[1]["spec"]["rules"][0]
    assert route["matches"] == [{"path": {"type": "PathPrefix", "value": "/protobuf.Transport"}}]
    assert set(route["timeouts"].values()) == {"0s"} and "retry" not in route
    assert _backends(route["backendRefs"]) == [("penstock", 8010)]
