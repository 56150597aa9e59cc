"""The SQLite file."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from penstock import store
from penstock.domain.errors import PenstockError
from penstock.store.database import Database
from penstock.store.schema import agent_certificate_names, groups, metadata
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.exc import IntegrityError

pytestmark = pytest.mark.anyio


async def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "penstock.db")
    async with database.read() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    await database.close()
    assert differences == []


async def test_the_file_is_private_and_opens_again(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    for name in ("a", "b"):
        database = await Database.open(path)
        async with database.write() as connection:
            await connection.execute(insert(groups).values(name=name))
        await database.ping()
        await database.close()
    assert path.stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT name FROM groups ORDER BY name").fetchall() == [("a",), ("b",)]
    plain.close()


async def test_connections_are_set_up(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "penstock.db")
    async with database.read() as connection:
        pragmas = [
            (await connection.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        ]
    assert pragmas == ["wal", 1, 5000, 2]
    async with database.read() as connection:
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT INTO user_groups VALUES ('nobody', 'nothing')"))
    await database.close()


async def test_writers_take_turns_and_readers_do_not_wait(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "penstock.db")

    async def add(number: int) -> None:
        async with database.write() as connection:
            count = len((await connection.execute(select(groups))).all())
            await connection.execute(insert(groups).values(name=f"{count}"))

    async with database.write() as connection:
        await connection.execute(insert(groups).values(name="uncommitted"))
        async with database.read() as reader:
            assert (await reader.execute(select(groups))).all() == []
    await asyncio.gather(*(add(number) for number in range(20)))
    async with database.read() as reader:
        assert len((await reader.execute(select(groups))).all()) == 21
    await database.close()


async def test_what_raises_is_not_kept(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "penstock.db")
    with pytest.raises(ValueError, match="stop"):
        async with database.write() as connection:
            await connection.execute(insert(groups).values(name="x"))
            raise ValueError("stop")
    async with database.read() as reader:
        assert (await reader.execute(select(groups))).all() == []
    await database.close()


async def test_agents_of_an_older_store_may_dial_with_certificates_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for name in ("office", "local"):
            connection.exec_driver_sql(f"INSERT INTO agents VALUES ('{name}-id', '{name}', 'x', 1, NULL)")
    engine.dispose()
    database = await Database.open(path)
    async with database.read() as reader:
        assert (await reader.execute(select(agent_certificate_names))).all() == [("office", "office-id")]
    await database.close()


async def test_a_newer_store_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "penstock.db"
    await (await Database.open(path)).close()
    with sqlite3.connect(path) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    plain.close()
    with pytest.raises(PenstockError, match="does not fit this release") as refused:
        await Database.open(path)
    assert "newer" in str(refused.value.hint)
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(b"not a database" * 100)
    with pytest.raises(PenstockError, match="cannot be opened"):
        await Database.open(garbage)
