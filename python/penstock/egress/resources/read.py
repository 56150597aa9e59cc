"""From files with resources to their parts of what the core is told."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from penstock.domain.addresses import Address
from penstock.egress.part import Folder, known_keys
from penstock.egress.refusal import explain, refused
from penstock.egress.resources.documents import Loaded, load_documents
from penstock.egress.resources.gateway import Gateway
from penstock.egress.resources.resource import Spec
from penstock.egress.resources.routes import compiled_routes
from penstock.egress.resources.virtual_service import SslFiles, VirtualService
from penstock.egress.values import Json

_KINDS: dict[str, type[Gateway | VirtualService]] = {"Gateway": Gateway, "VirtualService": VirtualService}
_EVERYBODY = ["0.0.0.0/0", "::/0"]
_DEFAULT_GATEWAY = {
    "apiVersion": "gateway.solo.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gateway-proxy"},
    "spec": {},
}

S = TypeVar("S", bound=Spec)


def read_resources(texts: Sequence[tuple[Path, str]], folder: Folder) -> Json:
    """The ports, routes, DNS cache, breakers, and what else the resources say."""
    loaded = [document for path, text in texts for document in load_documents(path, text)]
    by_kind = _sorted(loaded)
    gateway = _gateway(by_kind["Gateway"], by_kind["patch"])
    services = [(at, _validated(VirtualService, at)) for at in by_kind["VirtualService"]]
    chosen = [(at, service) for at, service in services if _served(gateway, service)]
    if not chosen:
        raise refused(
            f"the Gateway {gateway.metadata.name!r} selects none of the VirtualServices",
            hint="compare virtualServiceSelector with their labels, and ssl with their sslConfig",
        )
    try:
        routes = compiled_routes(
            [service for _, service in chosen], gateway.spec.options.per_connection_buffer_limit_bytes
        )
    except ValueError as error:
        raise refused(str(error)) from None
    return {**_parts(gateway), "listeners": [_listener(gateway, chosen, folder)], "routes": routes}


def _sorted(loaded: list[Loaded]) -> dict[str, list[Loaded]]:
    """By kind. A document that is a `spec` alone is a merge patch of the Gateway, as of ``kubectl patch``."""
    found: dict[str, list[Loaded]] = {"Gateway": [], "VirtualService": [], "patch": []}
    names = set()
    for document in loaded:
        kind = "patch" if set(document.shape) == {"spec"} else str(document.shape.get("kind"))
        if kind not in found:
            raise document.refused(
                ("kind",), f"resources of kind {kind!r} are not read", f"known: {', '.join(_KINDS)}"
            )
        metadata = document.shape.get("metadata")
        known = metadata if isinstance(metadata, dict) else {}
        name = (kind, known.get("namespace"), known.get("name"))
        if kind != "patch" and name in names:
            raise document.refused(
                ("metadata", "name"), f"there is another {kind} of this name", "remove one"
            )
        names.add(name)
        found[kind].append(document)
    return found


def _gateway(written: list[Loaded], patches: list[Loaded]) -> Gateway:
    if len(written) > 1:
        second = written[1]
        raise second.refused(
            ("metadata", "name"), "there is a second Gateway", "start one proxy for each Gateway"
        )
    if not written and not patches:
        raise refused(
            "there is no Gateway that enables dynamicForwardProxy",
            hint="add one, or a patch: spec: {httpGateway: {options: {dynamicForwardProxy: {}}}}",
        )
    document = written[0] if written else Loaded(patches[0].path, _DEFAULT_GATEWAY, {})
    for patch in patches:
        merged = _merge(document.shape, patch.shape)
        document = Loaded(document.path, merged, {**document.lines, **patch.lines})
    gateway = _validated(Gateway, document)
    if gateway.spec.http_gateway.options.dynamic_forward_proxy is None:
        place = ("spec", "httpGateway", "options")
        raise document.refused(
            place,
            "the Gateway does not enable dynamicForwardProxy",
            "add to its options: dynamicForwardProxy: {}",
        )
    return gateway


def _merge(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _validated(model: type[S], document: Loaded) -> S:
    try:
        return model.model_validate(_without_nulls(document.shape))
    except ValidationError as error:
        raise explain(error, document.at, partial(known_keys, model)) from None


def _without_nulls(value: Any) -> Any:  # noqa: ANN401 - JSON
    """A key without a value says nothing, as in a cluster."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _served(gateway: Gateway, service: VirtualService) -> bool:
    same_ssl = gateway.spec.ssl == (service.spec.ssl_config is not None)
    return same_ssl and gateway.spec.http_gateway.serves(service.metadata)


def _listener(gateway: Gateway, chosen: list[tuple[Loaded, VirtualService]], folder: Folder) -> Json:
    spec = gateway.spec
    return {
        "address": str(Address(spec.bind_address, spec.bind_port)),
        "name": gateway.metadata.name,
        "tls": _tls(chosen, folder) if spec.ssl else None,
        "proxy_protocol": _EVERYBODY if spec.use_proxy_proto else [],
        "connect": spec.http_gateway.options.http_connection_manager_settings.connect,
    }


def _tls(chosen: list[tuple[Loaded, VirtualService]], folder: Folder) -> Json | None:
    """The certificate of the port: the same one in all of its virtual services."""
    first: SslFiles | None = None
    for document, service in chosen:
        ssl = service.spec.ssl_config
        if ssl is not None and first not in (None, ssl.ssl_files):
            place = ("spec", "sslConfig")
            raise document.refused(place, "it has another certificate", "a port shows one certificate to all")
        first = first if ssl is None else ssl.ssl_files
    if first is None:
        return None
    ca = first.root_ca
    try:
        return {
            "cert_pem": folder.pem(first.tls_cert),
            "key_pem": folder.pem(first.tls_key),
            "client_ca_pem": None if ca is None else folder.pem(ca),
        }
    except ValueError as error:
        raise chosen[0][0].refused(("spec", "sslConfig"), str(error), "check the path") from None


def _parts(gateway: Gateway) -> Json:
    options = gateway.spec.http_gateway.options
    proxy, manager = options.dynamic_forward_proxy, options.http_connection_manager_settings
    if proxy is None:
        return {}
    parts: Json = {"dns": proxy.dns_cache_config.compiled(), "breakers": proxy.circuit_breakers.compiled()}
    if manager.stream_idle_timeout is not None:
        idle = manager.stream_idle_timeout
        parts["timeouts"] = {"idle_ms": idle, "tunnel_idle_ms": idle}
    if manager.max_request_headers_kb is not None:
        parts["limits"] = {"header_bytes": manager.max_request_headers_kb * 1024}
    return parts
