"""The socket that only the engine can reach."""

import asyncio
from pathlib import Path

import httpx
import pytest
from penstock.api.server import SOCKET_PATH_BYTES, serving, socket_path
from starlette.responses import PlainTextResponse

pytestmark = pytest.mark.anyio


async def test_the_app_is_served_on_a_private_socket_while_the_block_runs(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("what a killed gateway left behind")
    async with serving(PlainTextResponse("hello"), path):
        assert path.stat().st_mode & 0o777 == 0o600
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://penstock") as client:
            answer = await client.get("/")
    assert answer.text == "hello"
    assert "server" not in answer.headers
    assert not path.exists()


async def test_what_fails_inside_still_stops_the_server(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="inside"):
        async with serving(PlainTextResponse("hello"), tmp_path / "api.sock"):
            raise ValueError("inside")
    assert asyncio.all_tasks() == before


def test_a_path_that_is_too_long_for_a_socket_is_replaced_by_a_short_one(tmp_path: Path) -> None:
    with socket_path(tmp_path) as path:
        assert path == tmp_path / "api.sock" or len(bytes(tmp_path)) > SOCKET_PATH_BYTES
    with socket_path(tmp_path / ("x" * 100)) as short:
        assert len(bytes(short)) <= SOCKET_PATH_BYTES
        assert short.parent.stat().st_mode & 0o777 == 0o700
    assert not short.parent.exists()
