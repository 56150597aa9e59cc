"""The SQLite file: how it is opened, migrated, read and written."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from penstock.domain.errors import internal

BUSY_MILLISECONDS = 5_000
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}",
)


class Database:
    """Readers run side by side; writers take turns here, so that none waits for SQLite's lock."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writer = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> "Database":
        """Opens the file (made 0600 if absent) and migrates it to the present schema.

        Raises ``internal`` with a hint if it is not a store of ours or newer than this release.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        await asyncio.to_thread(_migrate, path)
        engine = create_async_engine(f"sqlite+aiosqlite:///{path}", pool_size=4, max_overflow=4)
        _configure(engine.sync_engine)
        return cls(engine)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view; nothing that is written in it is kept."""
        async with self._engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that sees all that was written before; commits unless it raises."""
        async with self._writer, self._engine.connect() as connection:
            await connection.execution_options(penstock_write=True)
            async with connection.begin():
                yield connection

    async def ping(self) -> None:
        """Raises if the store does not answer."""
        async with self.read() as connection:
            # Of a table: a bare SELECT 1 never leaves the library.
            await connection.execute(text("SELECT 1 FROM alembic_version"))

    async def close(self) -> None:
        """Closes every connection."""
        await self._engine.dispose()


def _configure(engine: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event targets have no common type
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's connection
        # The driver would begin transactions by guessing from the statements; we begin them ourselves.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred transaction that turns writer fails with SQLITE_BUSY at once, whatever the timeout.
        write = connection.get_execution_options().get("penstock_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _migrate(path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    _configure(engine)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    try:
        with engine.connect().execution_options(penstock_write=True) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise internal(
            f"the store {path} does not fit this release: {error}",
            hint="it was made by a newer Penstock: start that one, or restore a backup",
        ) from None
    except DatabaseError as error:
        raise internal(
            f"the store {path} cannot be opened: {error.orig}",
            hint="check that it is an SQLite file and that the disk has room, or restore a backup",
        ) from None
    finally:
        engine.dispose()
