"""Logs: JSON for machines, lines for people."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from penstock import logs


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _json(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_look_like_the_cores() -> None:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    structlog.get_logger("penstock.services.users").warning("user created", user="me@example.com")
    logging.getLogger("uvicorn.error").error("broken %s", "pipe")
    ours, theirs = _json(stream)
    assert list(ours) == ["timestamp", "level", "target", "message", "user"]
    assert (ours["level"], ours["target"]) == ("WARN", "penstock.services.users")
    assert (ours["message"], ours["user"]) == ("user created", "me@example.com")
    assert (theirs["level"], theirs["target"], theirs["message"]) == ("ERROR", "uvicorn.error", "broken pipe")
    assert ours["timestamp"].endswith("Z")


def test_an_exception_is_one_field_of_one_line() -> None:
    stream = io.StringIO()
    logs.configure("json", "INFO", stream=stream)
    try:
        raise ValueError("why")
    except ValueError:
        structlog.get_logger("penstock").exception("failed")
    (line,) = _json(stream)
    assert line["level"] == "ERROR"
    assert "ValueError: why" in line["exception"]


@pytest.mark.parametrize(("level", "heard"), [("DEBUG", 4), ("INFO", 3), ("WARN", 2), ("ERROR", 1)])
def test_the_level_decides(level: str, heard: int) -> None:
    stream = io.StringIO()
    logs.configure("json", level, stream=stream)
    log = structlog.get_logger("penstock")
    for say in (log.debug, log.info, log.warning, log.error):
        say("x")
    logging.getLogger("sqlalchemy.engine").info("SELECT secret")
    assert len(_json(stream)) == heard


def test_the_console_has_colours_only_on_a_terminal() -> None:
    stream = io.StringIO()
    logs.configure("console", "INFO", stream=stream)
    structlog.get_logger("penstock.app").info("gateway ready", http="127.0.0.1:8009")
    line = stream.getvalue()
    assert "gateway ready" in line
    assert "http=127.0.0.1:8009" in line
    assert "\x1b[" not in line
    terminal = _Terminal()
    logs.configure("console", "INFO", stream=terminal)
    structlog.get_logger("penstock.app").info("gateway ready")
    assert "\x1b[" in terminal.getvalue()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        """As a terminal would say."""
        return True
