"""Routes and selectors as users write them."""

import pytest
from penstock.domain.app import Route, Selector, SelectorKind, parse_route, parse_selector
from penstock.domain.errors import Code, PenstockError


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("shop.example.com", "shop.example.com", "/"),
        ("Shop.Example.com./", "shop.example.com", "/"),
        ("example.com/shop/", "example.com", "/shop"),
        ("example.com/a/b-1/~c", "example.com", "/a/b-1/~c"),
        ("*.example.com", "*.example.com", "/"),
        ("127.0.0.1/x", "127.0.0.1", "/x"),
        ("example.com/.penstocks", "example.com", "/.penstocks"),
    ],
)
def test_a_route_is_a_host_and_the_beginning_of_a_path(text: str, host: str, path: str) -> None:
    route = parse_route(text)
    assert route == Route(host, path)
    assert parse_route(str(route)) == route


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/shop",
        "https://shop.example.com",
        "shop.example.com:8080",
        "::1",
        "[::1]",
        "a b.example",
        "*",
        "a.*.example",
        "example.com/a/../b",
        "example.com/.",
        "example.com//a",
        "example.com/a b",
        "example.com/a?b",
        "example.com/a%2e",
        "example.com/é",
        "example.com/.penstock",
        "example.com/.penstock/login",
        "example.com/" + "x" * 512,
    ],
)
def test_what_is_no_route_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PenstockError) as refused:
        parse_route(text)
    assert refused.value.code is Code.MALFORMED
    assert "shop.example.com/cart" in str(refused.value.hint)


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("least-in-flight", Selector()),
        ("round-robin", Selector(SelectorKind.ROUND_ROBIN)),
        ("power-of-two", Selector(SelectorKind.POWER_OF_TWO)),
        ("cookie:shop_worker", Selector(SelectorKind.COOKIE, "shop_worker")),
        ("header:X-Tenant", Selector(SelectorKind.HEADER, "X-Tenant")),
    ],
)
def test_a_selector_reads_back(text: str, selector: Selector) -> None:
    assert parse_selector(text) == selector
    assert str(selector) == text


@pytest.mark.parametrize(
    "text", ["", "random", "cookie", "cookie:", "cookie:a b", "cookie:a;b", "header:x:y", "round-robin:x"]
)
def test_what_is_no_selector_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(PenstockError) as refused:
        parse_selector(text)
    assert refused.value.code is Code.MALFORMED
    assert refused.value.hint
