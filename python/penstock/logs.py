"""Logs on standard error: lines for people, or JSON that looks like the core's own.

Structured logs of ours and the standard library's (uvicorn, Alembic) take the same way out.
"""

import logging
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.dev import ConsoleRenderer
from structlog.processors import ExceptionRenderer, JSONRenderer, TimeStamper
from structlog.stdlib import BoundLogger, LoggerFactory, PositionalArgumentsFormatter, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARN": logging.WARNING, "ERROR": logging.ERROR}
_NAMES = {"warning": "WARN", "critical": "ERROR", "exception": "ERROR"}
# What uvicorn tells of each start and every SQL statement are of no use to operators.
_QUIET = ("uvicorn", "uvicorn.error", "alembic", "sqlalchemy", "aiosqlite", "asyncio", "httpx")


def configure(encoding: str, level: str, *, stream: TextIO | None = None) -> None:
    """Sets up logging for the process, with ``LOG_ENCODING`` and ``LOG_LEVEL``."""
    out = stream or sys.stderr
    shared: list[Processor] = [
        _target,
        _level,
        TimeStamper(fmt="iso", utc=True),
        PositionalArgumentsFormatter(),
    ]
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[ProcessorFormatter.remove_processors_meta, *_renderers(encoding, out)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(_LEVELS[level], logging.WARNING))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, ProcessorFormatter.wrap_for_formatter],
        logger_factory=LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )


def _renderers(encoding: str, out: TextIO) -> Sequence[Processor]:
    if encoding == "json":
        return [ExceptionRenderer(), _message, JSONRenderer(separators=(",", ":"))]
    return [_for_console, ConsoleRenderer(colors=out.isatty(), timestamp_key="timestamp")]


def _target(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    event["target"] = record.name if record is not None else getattr(logger, "name", "penstock")
    return event


def _level(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    event["level"] = _NAMES.get(method, method.upper())
    return event


def _message(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The core's order: when, how grave, where, what, and then the fields."""
    first = {key: event.pop(key, None) for key in ("timestamp", "level", "target")}
    return {**first, "message": event.pop("event", ""), **event}


def _for_console(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["logger"] = event.pop("target", None)
    event["level"] = str(event.get("level", "")).lower()
    return event
