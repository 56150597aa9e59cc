"""TLS before a PostgreSQL that was built without it: it answers SSLRequest and passes the plaintext on."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# PostgreSQL, protocol, §54.7: a length of 8 and the code 80877103.
SSL_REQUEST = struct.pack(">II", 8, 80877103)


class TlsFront:
    """One listener. What comes in over TLS goes to the unix socket, what comes in plain to the TCP port, so
    that the server's pg_hba.conf can tell them apart."""

    def __init__(self, context: ssl.SSLContext, socket: Path, port: int) -> None:
        self._context = context
        self._socket = socket
        self._plain_port = port
        self.port = 0

    @contextmanager
    def running(self) -> Iterator[TlsFront]:
        """Serves on a thread of its own."""
        loop = asyncio.new_event_loop()
        server = loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=loop.run_forever, name="tls-front", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                writer.write(b"S")
                await writer.drain()
                await writer.start_tls(self._context)
                upstream = await self._sealed_upstream()
            else:
                upstream = await asyncio.open_connection("127.0.0.1", self._plain_port)
                upstream[1].write(first)
            await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))
        writer.close()

    async def _sealed_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(str(self._socket))


class Interceptor(TlsFront):
    """Somebody in between: ends TLS with a certificate of its own, and speaks TLS to the server."""

    def __init__(self, context: ssl.SSLContext, onward: ssl.SSLContext, port: int) -> None:
        super().__init__(context, Path(), port)
        self._onward = onward

    async def _sealed_upstream(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._plain_port)
        writer.write(SSL_REQUEST)
        assert await reader.readexactly(1) == b"S"
        await writer.start_tls(self._onward)
        return reader, writer


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
