"""Routes of virtual services, in the order of the core."""

from pathlib import Path
from typing import Any

import pytest
from penstock.domain.errors import PenstockError
from penstock.egress.load import Overrides, compile_file
from penstock.egress.part import Folder

from tests.unit.egress.resources.documents import ENABLED, service, together

TO_A = "{x-to: {text: '{{ a }}'}}"
FORWARD = "[{routeAction: {dynamicForwardProxy: {}}}]"


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "egress.yaml"


def routes(path: Path, *services: str) -> list[dict[str, Any]]:
    path.write_text(together(ENABLED, *services))
    shape: list[dict[str, Any]] = compile_file(path, Overrides(), Folder(path.parent))["routes"]
    return shape


def refusal(path: Path, *services: str) -> str:
    with pytest.raises(PenstockError) as caught:
        routes(path, *services)
    return f"{caught.value.message} | {caught.value.hint}"


def test_the_most_telling_domain_comes_first(written: Path) -> None:
    found = routes(
        written,
        service("any", "['*']", FORWARD),
        service("wild", "['*.example.com', 'example.*', '*.a.example.com']", FORWARD),
        service("exact", "['a.example.com:8080']", FORWARD),
    )
    kinds = [(route["match"]["domains"], route["act"]["kind"]) for route in found]
    assert kinds == [
        (["a.example.com"], "forward"),
        (["a.example.com"], "deny"),
        (["*.a.example.com"], "forward"),
        (["*.a.example.com"], "deny"),
        (["*.example.com"], "forward"),
        (["*.example.com"], "deny"),
        (["example.*"], "forward"),
        (["example.*"], "deny"),
        ([], "forward"),
    ]
    assert found[0]["match"]["ports"] == [{"first": 8080, "last": 8080}]
    assert len({route["name"] for route in found}) == len(found)


def test_matchers_are_alternatives(written: Path) -> None:
    matchers = (
        "[{exact: /a, methods: [get]}, {regex: '/b.*'}, {prefix: /c, headers: [{name: x-a}, "
        "{name: x-b, value: 'v.*', regex: true, invertMatch: true}]}]"
    )
    found = routes(
        written,
        service("a", "['*']", f"[{{matchers: {matchers}, routeAction: {{dynamicForwardProxy: {{}}}}}}]"),
    )
    exact, regex, prefix = (route["match"] for route in found)
    assert (exact["path"], exact["methods"]) == ({"exact": "/a"}, ["GET"])
    assert regex["path"] == {"regex": "/b.*"}
    assert prefix["headers"] == [
        {"name": "x-a", "value": None, "regex": False, "invert": False},
        {"name": "x-b", "value": "v.*", "regex": True, "invert": True},
    ]
    assert all(match["connect"] is False for match in (exact, regex, prefix))


def test_a_direct_response_denies(written: Path) -> None:
    (route,) = routes(
        written, service("a", "['*']", "[{directResponseAction: {status: 403, body: not here}}]")
    )
    assert route["act"] == {"kind": "deny", "reason": "not here"}


def test_a_host_may_be_fixed(written: Path) -> None:
    action = "{dynamicForwardProxy: {hostRewrite: b.example.com}}"
    (route,) = routes(
        written, service("a", "['*']", f"[{{routeAction: {action}, options: {{timeout: 3s}}}}]")
    )
    assert route["act"]["host"] == {"from": "literal", "value": "b.example.com"}
    assert route["act"]["timeout_ms"] == 3000


def transformed(headers: str, more: str = "", action: str = "{autoHostRewriteHeader: X-To}") -> str:
    template = f"{{transformationTemplate: {{headers: {headers}{more}}}}}"
    stage = f"{{requestTransforms: [{{requestTransformation: {template}}}]}}"
    options = f"{{stagedTransformations: {{regular: {stage}}}}}"
    return service("a", "['*']", f"[{{routeAction: {{dynamicForwardProxy: {action}}}, options: {options}}}]")


def test_a_template_makes_the_destination(written: Path) -> None:
    text = '{{ request_header("x-region") }}.{{ order.shop }}.example.com'
    (route,) = routes(written, transformed(f"{{x-to: {{text: '{text}'}}, x-set: {{text: fixed}}}}"))
    assert route["act"]["host"] == {
        "from": "template",
        "template": '{{ header("x-region") }}.{{ order.shop }}.example.com',
        "body_bytes": 1 << 20,
    }
    assert route["act"]["set_headers"] == {"x-set": "fixed"}


def test_without_the_body_no_field_of_it_is_read(written: Path) -> None:
    headers = "{x-to: {text: '{{ header(\"x\") }}'}}"
    (route,) = routes(written, transformed(headers, ", passthrough: {}"))
    assert route["act"]["host"]["body_bytes"] is None


def test_a_fixed_destination_header_is_a_literal(written: Path) -> None:
    (route,) = routes(written, transformed("{x-to: {text: b.example.com}}"))
    assert route["act"]["host"] == {"from": "literal", "value": "b.example.com"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (transformed("{x-other: {text: '{{ a }}'}}"), "the template of the header 'x-other' is not known"),
        (
            transformed(TO_A, action="{}"),
            "the template of the header 'x-to' is not known",
        ),
        (transformed("{}", ", advancedTemplates: true"), "advancedTemplates is not known"),
        (transformed("{}", ", extractors: {}"), "extractors is not known"),
        (
            service("a", "['*']", "[{routeAction: {single: {upstream: {name: x}}}}]"),
            "routeAction.single is not known",
        ),
        (service("a", "['*']", "[{redirectAction: {}}]"), "this proxy forwards or denies"),
        (
            service("a", "['*']", "[{matchers: [{prefix: /, queryParameters: []}]}]"),
            "routes do not look at the query",
        ),
        (service("a", "['*']", "[{matchers: [{prefix: /, exact: /}]}]"), "a matcher has one of prefix"),
        (service("a", "['*']", "[{matchers: [{prefix: a}]}]"), "does not begin with /"),
        (service("a", "['*']", "[{directResponseAction: {status: 200}}]"), "Input should be 403"),
        (service("a", "['*']", "[{}]"), "a route has routeAction with dynamicForwardProxy"),
        (
            service(
                "a",
                "['*']",
                "[{routeAction: {dynamicForwardProxy: {}}, options: {upgrades: [{connect: {}}]}}]",
            ),
            "a route has connectTerminate",
        ),
        (service("a", "['a/b']", FORWARD), "is not a host"),
    ],
)
def test_what_is_not_done_is_refused(written: Path, text: str, said: str) -> None:
    assert said in refusal(written, text)


def test_two_services_of_one_domain_are_refused(written: Path) -> None:
    said = refusal(written, service("a", "[x]", FORWARD), service("b", "[x]", FORWARD))
    assert "the domain 'x' is in the VirtualServices 'a' and 'b'" in said
