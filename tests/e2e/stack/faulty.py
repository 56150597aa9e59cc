"""A network in between that hurts: it delays, cuts into pieces, resets, closes half, or swallows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass
class _Passage:
    """One connection: the side that dialled, and the side that was dialled."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    ended: set[asyncio.StreamWriter] = field(default_factory=set)
    """Sides that were told that nothing comes any more."""

    def reset(self) -> None:
        """RST to both."""
        for side in (self.near, self.far):
            connection = side.get_extra_info("socket")
            # It may have ended by itself a moment ago.
            if connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            side.transport.abort()

    def end(self, side: asyncio.StreamWriter) -> None:
        """FIN to one of them; what the other still says to it goes nowhere."""
        if side not in self.ended and not side.is_closing():
            self.ended.add(side)
            side.write_eof()


class Faulty:
    """One listener on loopback before a port, harmless until it is told otherwise."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._piece = 65536
        self._delay = 0.0
        self._passages: list[_Passage] = []
        self._loop = asyncio.new_event_loop()
        self._passes = asyncio.Event()

    # Harms. Each holds for the connections that there are; the first three for those to come, too.

    def slice(self) -> None:
        """Every byte is written alone."""
        self._piece = 1

    def slow(self, seconds: float = 0.01) -> None:
        """So long before each piece, in either direction."""
        self._delay = seconds

    def swallow(self) -> None:
        """Nothing passes, and nothing is closed."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def reset(self) -> None:
        """Both sides of each connection meet a reset."""
        self._do(_Passage.reset)

    def end_near(self) -> None:
        """Who dialled is told that nothing comes any more, and may go on to speak."""
        self._do(lambda passage: passage.end(passage.near))

    def end_far(self) -> None:
        """Who was dialled is told so."""
        self._do(lambda passage: passage.end(passage.far))

    def heal(self) -> None:
        """Harmless again."""
        self._piece, self._delay = 65536, 0.0
        self._loop.call_soon_threadsafe(self._passes.set)

    @contextmanager
    def running(self) -> Iterator[Faulty]:
        """Serves on a thread of its own."""
        self._passes.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        thread = threading.Thread(target=self._loop.run_forever, name="faulty", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self._end(server), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(10)
            self._loop.close()

    def _do(self, harm: Callable[[_Passage], None]) -> None:
        """Harms each connection there is; returns once it is done."""

        async def run() -> None:
            for passage in self._passages:
                harm(passage)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            near.transport.abort()
            return
        passage = _Passage(near, far)
        self._passages.append(passage)
        try:
            await asyncio.gather(self._pump(reader, far, passage), self._pump(far_reader, near, passage))
        finally:
            self._passages.remove(passage)
            near.close()
            far.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, passage: _Passage
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                while data and sink not in passage.ended:
                    await self._passes.wait()
                    await asyncio.sleep(self._delay)
                    piece, data = data[: self._piece], data[self._piece :]
                    sink.write(piece)
                    await sink.drain()
            await self._passes.wait()
            passage.end(sink)

    async def _end(self, server: asyncio.Server) -> None:
        server.close()
        self._passes.set()
        for passage in self._passages:
            passage.reset()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
