"""The demo's database: real, private, filled once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from penstock.cli.errors import Refusal
from penstock.demo.account import Account, database_account
from penstock.demo.ending import Ending
from penstock.demo.leftovers import Register
from penstock.demo.postgres import Passwords, Postgres, binaries
from penstock.demo.processes import Processes
from penstock.demo.show import socket_folder

PASSWORDS = Passwords("the superuser's", "the role's")


def postgres_in(home: Path, passwords: Passwords = PASSWORDS) -> Postgres:
    return Postgres(home / "postgres", home / "postgres" / "run", database_account(), passwords)


def processes_in(home: Path) -> Processes:
    return Processes(home / "logs", Register(home / "processes.json"), Ending())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's home, closed to others."""
    folder = tmp_path_factory.mktemp("h")
    folder.chmod(0o700)
    return folder


@pytest.fixture(scope="module")
def shop(home: Path) -> Iterator[Postgres]:
    """A running shop."""
    processes = processes_in(home)
    try:
        server = postgres_in(home)
        server.start(processes)
        assert server.fill() == 201_000
        yield server
    finally:
        processes.stop()


def ask(shop: Postgres, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(
        host=str(shop.socket), user="shop", dbname="shop", password=PASSWORDS.role
    ) as connection:
        return connection.execute(query.encode()).fetchall()


def luhn(number: str) -> bool:
    """ISO/IEC 7812-1, as anybody else would check it."""
    digits = [int(digit) for digit in reversed(number)]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0


def test_card_numbers_are_valid_and_of_sixteen_digits(shop: Postgres) -> None:
    cards = [str(card) for (card,) in ask(shop, "SELECT card FROM people")]
    assert all(len(card) == 16 and luhn(card) for card in cards)
    assert len(set(cards)) == len(cards) == 50_000


def test_nobody_in_it_can_be_reached(shop: Postgres) -> None:
    assert (
        ask(shop, r"SELECT 1 FROM people WHERE email !~ '^[a-z]+\.[a-z]+\d+@example\.(com|net|org)$'") == []
    )
    assert ask(shop, r"SELECT 1 FROM people WHERE phone !~ '^\+1-\d{3}-555-01\d{2}$'") == []


def test_orders_are_of_people_and_products_and_add_up(shop: Postgres) -> None:
    query = """SELECT count(*), bool_and(o.total = o.quantity * p.price), count(DISTINCT o.product_id),
                      count(DISTINCT o.status)
               FROM orders AS o
               JOIN products AS p ON p.id = o.product_id
               JOIN people ON people.id = o.person_id"""
    assert ask(shop, query) == [(150_000, True, 1000, 4)]


def test_it_is_filled_once(shop: Postgres) -> None:
    ask(shop, "DELETE FROM orders WHERE id = 1 RETURNING id")
    assert shop.fill() == 200_999


def test_nobody_gets_in_without_the_password(shop: Postgres) -> None:
    for password in ("", "wrong"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=str(shop.socket), user="shop", dbname="shop", password=password)
    assert ask(shop, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") == [(False,)]


def test_nothing_is_open_to_others(shop: Postgres, home: Path) -> None:
    for folder in (home, home / "postgres", home / "postgres" / "data", shop.socket):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (home / "postgres" / "superuser").exists()


def test_it_listens_on_no_port(shop: Postgres) -> None:
    assert ask(shop, "SHOW listen_addresses") == [("",)]
    assert shop.version().startswith("18.")


def test_another_password_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    processes = processes_in(tmp_path)
    try:
        postgres_in(tmp_path).start(processes)
        processes.stop()
        with pytest.raises(Refusal, match="does not know the demo's password") as caught:
            postgres_in(tmp_path, Passwords("other", "other")).start(processes)
        assert str(tmp_path) in str(caught.value.hint)
    finally:
        processes.stop()


def test_half_a_cluster_is_made_anew(tmp_path: Path) -> None:
    half = tmp_path / "postgres" / "data.new"
    database_account().own(tmp_path / "postgres")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    processes = processes_in(tmp_path)
    try:
        postgres_in(tmp_path).start(processes)
    finally:
        processes.stop()
    assert not half.exists()


def test_the_programs_that_it_names_are_there() -> None:
    for name in ("postgres", "psql", "pgbench", "initdb"):
        assert os.access(binaries() / name, os.X_OK)


def test_a_folder_of_somebody_elses_is_refused(tmp_path: Path) -> None:
    account = Account(os.geteuid(), os.getegid())
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "open")
    for name in ("open", "link"):
        with pytest.raises(Refusal, match="not a private folder"):
            account.own(tmp_path / name)
    account.own(tmp_path / "fresh")
    account.own(tmp_path / "fresh")


def test_root_never_runs_it(shop: Postgres, home: Path) -> None:
    pid = int((home / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_the_sockets_path_is_never_too_long(tmp_path: Path) -> None:
    assert socket_folder(Path("/short/run")) == Path("/short/run")
    deep = Path("/" + "d" * 100)
    short = socket_folder(deep)
    assert short == socket_folder(deep) != socket_folder(deep / "x")
    assert len(str(short / ".s.PGSQL.5432")) < 104
