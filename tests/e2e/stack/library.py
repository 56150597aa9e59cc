"""A proxy of the library, in this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from penstock import ReverseProxy

from tests.e2e.stack.publish import Certificates

_FREE = "127.0.0.1:0"
_SECONDS = 30.0


@contextmanager
def library_proxy(certificates: Certificates, **options: Any) -> Iterator[ReverseProxy]:
    """On free ports and on a loop of its own."""
    proxy = ReverseProxy(
        certificate=certificates.edge.cert,
        key=certificates.edge.key,
        workers_ca=certificates.edge.ca,
        tunnel_listen=_FREE,
        public_listen=_FREE,
        **options,
    )
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="proxy")
    thread.start()

    def run(what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, loop).result(_SECONDS)

    try:
        run(proxy.start())
        yield proxy
    finally:
        run(proxy.shutdown(1))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SECONDS)
        loop.close()
