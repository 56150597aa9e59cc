"""A disk that is full or broken: where recording is required nothing goes on, else the gap is noted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from tests.e2e.stack.bad_disk import REASONS, BadDisk, bad_disk
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.writers import TABLE, left_by

Make = Callable[[str, bool], BadDisk]

FAULTS = [("full", "process"), ("unwritable", "process"), ("full", "fsync"), ("unsound", "fsync")]


@pytest.fixture(scope="module")
def make(root: Path, postgres: Postgres) -> Iterator[Make]:
    """A stack for each of the settings, with the connection `db` to the upstream."""
    made: dict[tuple[str, bool], BadDisk] = {}
    with ExitStack() as exits, postgres.direct("scram") as server:
        server.execute(TABLE)

        def make(level: str, required: bool) -> BadDisk:
            if (level, required) not in made:
                settings = {"RECORDING_LEVEL": level, "RECORDING_REQUIRED": str(required).lower()}
                disk = exits.enter_context(bad_disk(root / f"disk-{level}-{required}", settings))
                disk.stack.connection("db", postgres.env())
                made[level, required] = disk
            return made[level, required]

        yield make


def mark(application: str) -> bytes:
    """A statement that leaves a mark, longer than what is left of a page that the disk has given before."""
    return f"INSERT INTO marks VALUES ('{application}-1') /* {'x' * 20_000} */".encode()


@pytest.mark.parametrize(("fault", "level"), FAULTS)
def test_where_recording_is_required(
    make: Make, postgres: Postgres, application: str, fault: str, level: str
) -> None:
    """The session ends and says why, the statement never runs, new sessions are refused; then all is well."""
    disk = make(level, True)
    api, port = disk.stack.api, disk.stack.forward("db").port
    why = f"the recording cannot be written: {os.strerror(REASONS[fault])}"
    with connect(port, application) as connection:
        connection.execute("SELECT 1")
        getattr(disk, fault)()
        with pytest.raises(psycopg.OperationalError, match=why):
            connection.execute(mark(application))
    assert left_by(postgres, application) == []
    ended = api.ended(api.session(application)["id"])
    assert (ended["status"], ended["gap"]) == ("failed", None) and why in ended["reason"], ended
    refused = psql(port, f"{application}-new", "-c", "SELECT 1")
    assert refused.code == 2 and why in refused.err and "HINT:" in refused.err, refused
    assert api.sessions(f"{application}-new") == []
    disk.mend()
    assert psql(port, f"{application}-after", "-Atc", "SELECT 2").out == "2\n"
    after = api.ended(api.session(f"{application}-after")["id"])
    assert api.verify(after["id"])["ok"] is True
    # What was recorded before still holds, up to the head that was noted.
    assert api.verify(ended["id"])["ok"] is True
    assert [s["text"] for s in api.statements(ended["id"])][:1] == ["SELECT 1"]
    assert disk.untold() == []


@pytest.mark.parametrize(("fault", "level"), FAULTS)
def test_where_recording_is_not_required(
    make: Make, postgres: Postgres, application: str, fault: str, level: str
) -> None:
    """Sessions go on and begin, and each says since when, how much and why something of it is missing."""
    disk = make(level, False)
    api, port = disk.stack.api, disk.stack.forward("db").port
    with connect(port, application) as connection:
        connection.execute("SELECT 1")
        getattr(disk, fault)()
        connection.execute(mark(application))
        assert connection.execute("SELECT 2").fetchone() == (2,)
    assert len(left_by(postgres, application)) == 1
    assert psql(port, f"{application}-new", "-Atc", "SELECT 3").out == "3\n"
    for name in (application, f"{application}-new"):
        ended = api.ended(api.session(name)["id"])
        gap = ended["gap"]
        assert ended["status"] == "closed" and gap["events"] >= 2, ended
        assert gap["since"] <= ended["ended_at"]
        assert os.strerror(REASONS[fault]) in gap["reason"]
    disk.mend()
    assert psql(port, f"{application}-after", "-Atc", "SELECT 4").out == "4\n"
    after = api.ended(api.session(f"{application}-after")["id"])
    assert after["gap"] is None and api.verify(after["id"])["ok"] is True
