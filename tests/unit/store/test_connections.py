"""Connections in the store."""

import sqlite3
from dataclasses import replace

import pytest
from penstock.domain.connection import Connection, ConnectionType
from penstock.domain.errors import Code, PenstockError

from tests.unit.world import NOON, POSTGRES, World

pytestmark = pytest.mark.anyio
CONNECTION = Connection("c1", "db", ConnectionType.POSTGRES, "a", frozenset({"dev", "ops"}), NOON, POSTGRES)


async def test_a_connection_reads_back_and_is_sealed_on_disk(world: World) -> None:
    await world.connections.add(CONNECTION)
    assert await world.connections.get("c1") == await world.connections.get("db") == CONNECTION
    assert await world.connections.list() == [CONNECTION]
    with sqlite3.connect(world.folder / "penstock.db") as plain:
        dump = "\n".join(plain.iterdump())
    plain.close()
    assert "db-agent" not in dump
    for value in (POSTGRES["PASS"], POSTGRES["HOST"]):
        assert value not in dump


async def test_a_name_is_taken_once_and_free_again(world: World) -> None:
    await world.connections.add(CONNECTION)
    with pytest.raises(PenstockError) as refused:
        await world.connections.add(replace(CONNECTION, id="c2"))
    assert refused.value.code is Code.CONFLICT
    assert await world.connections.delete("c1")
    assert not await world.connections.delete("c1")
    await world.connections.add(replace(CONNECTION, id="c2"))


async def test_a_deleted_group_is_taken_from_connections(world: World) -> None:
    await world.connections.add(CONNECTION)
    await world.groups.delete("dev")
    found = await world.connections.get("db")
    assert found is not None
    assert found.groups == {"ops"}
