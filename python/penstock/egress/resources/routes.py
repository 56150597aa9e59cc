"""Routes of all chosen virtual services, in the order in which the core looks at them.

There the most telling domain wins, wherever it is written, and what no route below it takes is not looked for
below another. Here the first route wins. So they are sorted, and each domain ends with a refusal.
"""

from collections.abc import Iterator, Sequence

from penstock.egress.resources.transformation import TransformationTemplate, Transforming
from penstock.egress.resources.virtual_service import ForwardTo, Matcher, Route, VirtualService
from penstock.egress.values import Json, pattern, port_range

_ANY = "*"


def compiled_routes(services: Sequence[VirtualService], body_bytes: int) -> list[Json]:
    """As the core reads them. Raises ``ValueError`` naming the virtual service."""
    domains = sorted(_domains(services), key=lambda found: _rank(found[0]))
    return [route for domain, service in domains for route in _below(domain, service, body_bytes)]


def _domains(services: Sequence[VirtualService]) -> Iterator[tuple[str, VirtualService]]:
    seen: dict[str, str] = {}
    for service in services:
        for written in service.spec.virtual_host.domains:
            domain = written.lower()
            if domain in seen:
                both = f"{seen[domain]!r} and {service.metadata.name!r}"
                raise ValueError(f"the domain {written!r} is in the VirtualServices {both}")
            seen[domain] = service.metadata.name
            yield domain, service


def _rank(domain: str) -> tuple[int, int]:
    """Exact ones first, then `*.example.com`, then `example.*`, then `*`; the longest first."""
    kind = 3 if domain == _ANY else 1 if domain.startswith("*") else 2 if domain.endswith("*") else 0
    return kind, -len(domain)


def _below(domain: str, service: VirtualService, body_bytes: int) -> Iterator[Json]:
    host = _host(domain)
    name = f"{service.metadata.namespace}/{service.metadata.name}"
    label = name if len(service.spec.virtual_host.domains) == 1 else f"{name} {domain}"
    for number, route in enumerate(service.spec.virtual_host.routes, start=1):
        act = _act(route, service.spec.virtual_host.options, body_bytes, f"{name}: route {number}")
        for at, matcher in enumerate(route.matchers, start=1):
            which = route.name or f"route-{number}"
            title = f"{label} {which}" if len(route.matchers) == 1 else f"{label} {which}.{at}"
            yield {"name": title, "match": {**matcher.compiled([]), **host}, "act": act}
    if domain != _ANY:
        end = {**Matcher().compiled([]), **host, "connect": None}
        yield {
            "name": f"{label} end",
            "match": end,
            "act": {"kind": "deny", "reason": f"no route of {name} takes it"},
        }


def _host(domain: str) -> Json:
    """`foo:8080` names a port; a host alone is of every port."""
    host, colon, port = domain.rpartition(":")
    if not colon or not port.isdigit():
        host, port = domain, ""
    return {"domains": [] if host == _ANY else [pattern(host)], "ports": [port_range(port)] if port else []}


def _act(route: Route, inherited: Transforming, body_bytes: int, where: str) -> Json:
    if route.route_action is None:
        said = route.direct_response_action
        return {"kind": "deny", "reason": (said.body if said else "") or f"{where} denies it"}
    options = route.options
    change = options.transformation or inherited.transformation
    forward = route.route_action.dynamic_forward_proxy
    try:
        source, headers = _source(forward, change, body_bytes)
    except ValueError as error:
        raise ValueError(f"VirtualService {where}: {error}") from None
    return {
        "kind": "forward",
        "host": source,
        "terminate_connect": options.terminates_connect,
        "timeout_ms": options.timeout,
        "set_headers": headers,
    }


def _source(
    forward: ForwardTo, change: TransformationTemplate | None, body_bytes: int
) -> tuple[Json, dict[str, str]]:
    """Where the destination stands, and the headers that are set."""
    fixed = {} if change is None else change.fixed()
    templates = {} if change is None else change.templates()
    header = forward.auto_host_rewrite_header
    others = [name for name in templates if header is None or name != header.lower()]
    if others:
        raise ValueError(
            f"the template of the header {others[0]!r} is not known: templates are for the header that "
            "autoHostRewriteHeader names, other headers are set to fixed texts"
        )
    if forward.host_rewrite is not None:
        return {"from": "literal", "value": forward.host_rewrite}, fixed
    if header is None:
        return {"from": "request"}, fixed
    if change is None or header.lower() not in templates:
        literal = next((value for name, value in fixed.items() if name.lower() == header.lower()), None)
        return (
            {"from": "header", "name": header} if literal is None else {"from": "literal", "value": literal}
        ), fixed
    bound = body_bytes if change.parses_body else None
    return {"from": "template", "template": templates[header.lower()], "body_bytes": bound}, fixed
