"""What stands before every request."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from penstock.api.app import create_app
from penstock.api.gatekeeper import ANONYMOUS_BODY_BYTES, BODY_BYTES
from starlette.types import Message

from tests.unit.world import PASSWORD, World

pytestmark = pytest.mark.anyio


class Wire:
    """A request as the server hands it over, chunk by chunk; counts what was read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = list(chunks)
        self.read = 0
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        """The next chunk."""
        body = self._chunks[self.read] if self.read < len(self._chunks) else b""
        self.read += 1
        return {"type": "http.request", "body": body, "more_body": self.read < len(self._chunks)}

    async def send(self, message: Message) -> None:
        """Part of the answer."""
        self.sent.append(message)

    @property
    def status(self) -> int:
        """The answer's status."""
        return int(self.sent[0]["status"])

    @property
    def problem(self) -> Any:
        """The answer's body."""
        return json.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))


async def _call(
    world: World, wire: Wire, path: str, headers: dict[str, str] | None = None, method: str = "POST"
) -> None:
    raw = [
        (k.encode(), v.encode()) for k, v in {"content-type": "application/json", **(headers or {})}.items()
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": raw,
        "client": None,
        "server": ("penstock", 80),
    }
    await create_app(world.services)(scope, wire.receive, wire.send)


async def test_who_is_refused_is_refused_before_the_body_is_read(world: World) -> None:
    wire = Wire([b"x"] * 5)
    await _call(world, wire, "/api/users")
    assert (wire.status, wire.read) == (401, 0)


async def test_a_declared_length_beyond_the_limit_is_refused_unread(world: World) -> None:
    wire = Wire([b"x"])
    await _call(world, wire, "/api/login", {"content-length": str(ANONYMOUS_BODY_BYTES + 1)})
    assert (wire.status, wire.read) == (413, 0)
    assert wire.problem["hint"]


async def test_a_body_that_does_not_tell_its_length_is_cut_at_the_limit(world: World) -> None:
    wire = Wire([b"x" * 1024] * 1000)
    await _call(world, wire, "/api/login")
    assert (wire.status, wire.read) == (413, ANONYMOUS_BODY_BYTES // 1024 + 1)


async def test_who_is_known_may_send_more_but_not_endlessly(world: World) -> None:
    await world.admin()
    header = {"authorization": f"Bearer {await world.token('admin@example.com')}"}
    for size, status in ((BODY_BYTES, 422), (BODY_BYTES + 1, 413)):
        wire = Wire([b" " * size])
        await _call(world, wire, "/api/users", header)
        assert wire.status == status


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer " + "x" * 513, "pst_x", "Bearer \xff"]
)
async def test_a_bad_credential_is_refused_with_a_hint(world: World, value: str) -> None:
    wire = Wire([])
    scope_headers = {"authorization": value.encode("latin-1").decode("latin-1")}
    await _call(world, wire, "/api/userinfo", scope_headers, method="GET")
    assert wire.status == 401
    assert wire.problem["hint"]
    assert (b"www-authenticate", b"Bearer") in wire.sent[0]["headers"]


async def test_a_public_route_does_not_mind_a_stale_credential(world: World) -> None:
    await world.admin()
    async with world.api("pst_stale") as client:
        answer = await client.post("/api/login", json={"email": "admin@example.com", "password": PASSWORD})
    assert answer.status_code == 200


async def test_head_is_get_without_a_body(world: World) -> None:
    async with world.api() as client:
        head, get = await client.head("/"), await client.get("/")
        missing = await client.head("/nothing")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers == get.headers
    assert (missing.status_code, missing.content) == (404, b"")


async def test_a_fault_of_ours_is_a_problem_without_its_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_self: object) -> None:
        raise ValueError("password=hush")

    monkeypatch.setattr(type(world.engine), "agents", broken)
    await world.admin()
    async with world.api(await world.token("admin@example.com")) as client:
        answer = await client.get("/api/agents")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert "hush" not in answer.text


async def test_every_answer_forbids_what_browsers_might_do_with_it(world: World) -> None:
    async with world.api() as client:
        answers = [await client.get(path) for path in ("/", "/api/healthz", "/nothing", "/api/userinfo")]
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["cache-control"] == "no-store"
