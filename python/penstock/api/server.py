"""Serves the API on a unix socket that only the engine can reach."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

# sun_path holds 104 bytes on macOS and 108 on Linux, the final zero among them.
SOCKET_PATH_BYTES = 103
STOP_SECONDS = 5


@contextlib.contextmanager
def socket_path(folder: Path) -> Iterator[Path]:
    """Where the socket goes: into ``folder``, or into a new one if that path is too long for a socket.

    ``folder`` has to be private (0700): between its making and its ``chmod`` the socket is not.
    """
    path = folder / "api.sock"
    if len(bytes(path)) <= SOCKET_PATH_BYTES:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="penstock-") as short:
        yield Path(short) / path.name


@contextlib.contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)  # what a killed gateway left behind
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        path.chmod(0o600)
        yield listener
    path.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, path: Path) -> AsyncIterator[None]:
    """Serves ``app`` at this socket, in this loop, while the block runs."""
    with _listener(path) as listener:
        server = _Server(_config(app))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await _started(server, task)
            yield
        finally:
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    """Leaves the signals to the composition root."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        lifespan="off",
        timeout_keep_alive=120,  # longer than the engine keeps idle ones, so that it never meets a close
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )


async def _started(server: _Server, task: asyncio.Task[None]) -> None:
    while not server.started:
        if task.done():
            await task
            raise RuntimeError("the API server ended before it began")
        await asyncio.sleep(0.01)
