"""A configuration file, followed as it changes."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from penstock.app.egress import follow
from penstock.domain.errors import malformed
from penstock.egress.load import Overrides
from penstock.egress.source import Source
from structlog.testing import capture_logs

OPEN = 'listen = "127.0.0.1:0"\n'
RULE = OPEN + '[[rule]]\nallow = "{}"\n'


def domains(config: Mapping[str, Any]) -> list[str]:
    """The first domain of each rule."""
    profiles = config.get("profiles", [])
    return [rule["domains"][0] for profile in profiles for rule in profile["rules"]]


class Proxy:
    """Takes configurations, and refuses those that name a host of `refuses`."""

    def __init__(self, refuses: str = "none") -> None:
        self.taken: list[list[str]] = []
        self.refuses = refuses

    def check(self, config: Mapping[str, Any]) -> None:
        if self.refuses in domains(config):
            raise malformed("no such domain")

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        self.taken.append(domains(config))


@contextmanager
def followed(path: Path, proxy: Proxy) -> Iterator[Callable[[], None]]:
    """Follows the file on a loop of its own. Gives what asks to read it again."""
    source, reload = Source(path, Overrides(), proxy.check), asyncio.Event()
    source.compile()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    following = asyncio.run_coroutine_threadsafe(follow(source, proxy.reconfigure, reload), loop)
    try:
        yield lambda: _ask(loop, reload)
    finally:
        following.cancel()
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _ask(loop: asyncio.AbstractEventLoop, reload: asyncio.Event) -> None:
    loop.call_soon_threadsafe(reload.set)


def until(holds: Callable[[], Any]) -> None:
    limit = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < limit, "it did not come about"
        time.sleep(0.01)


def replace(path: Path, text: str) -> None:
    """As editors and `kubectl` do: another file takes its name."""
    other = path.with_suffix(".new")
    other.write_text(text)
    other.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "egress.toml"
    path.write_text(RULE.format("a.example"))
    return path


def test_a_change_is_applied(path: Path) -> None:
    proxy = Proxy()
    with followed(path, proxy):
        replace(path, RULE.format("b.example"))
        until(lambda: proxy.taken == [["b.example"]])
        path.write_text(RULE.format("longer.example"))
        until(lambda: proxy.taken == [["b.example"], ["longer.example"]])


def test_a_bad_file_changes_nothing_and_is_told_once(path: Path) -> None:
    proxy = Proxy()
    with capture_logs() as logs, followed(path, proxy):
        replace(path, OPEN + "[[rule]]\nallow = 5\n")
        until(lambda: logs)
        replace(path, RULE.format("c.example"))
        until(lambda: len(logs) == 2)
    assert proxy.taken == [["c.example"]]
    refused, applied = logs
    assert refused["event"] == "configuration refused, the old one stays"
    assert "egress.toml:3: rule[0].allow" in refused["error"]
    assert applied["event"] == "configuration applied"


def test_what_the_core_refuses_stays_out(path: Path) -> None:
    proxy = Proxy(refuses="d.example")
    with capture_logs() as logs, followed(path, proxy):
        replace(path, RULE.format("d.example"))
        until(lambda: logs)
    assert proxy.taken == []
    assert logs[0]["error"] == f"{path}:2: no such domain"


def test_an_emptied_file_opens_nothing(path: Path) -> None:
    proxy = Proxy()
    with capture_logs() as logs, followed(path, proxy):
        path.write_text("")
        until(lambda: logs)
    assert proxy.taken == [] and "is empty" in logs[0]["error"]


def test_a_file_that_it_names_is_followed_too(tmp_path: Path) -> None:
    key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
    (tmp_path / "a.pem").write_text(key)
    path = tmp_path / "egress.toml"
    path.write_text('[[listener]]\naddress = "127.0.0.1:0"\ntls = { cert = "a.pem", key = "a.pem" }\n')
    proxy = Proxy()
    with followed(path, proxy):
        (tmp_path / "a.pem").unlink()
        (tmp_path / "a.pem").write_text(key)
        os.utime(tmp_path / "a.pem", ns=(1, 1))
        until(lambda: proxy.taken)


def test_a_signal_reads_it_at_once(path: Path) -> None:
    proxy = Proxy()
    with followed(path, proxy) as reload:
        reload()
        until(lambda: proxy.taken == [["a.example"]])
