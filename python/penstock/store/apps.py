"""Published apps in the store."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Label, Row, Table, delete, func, insert, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from penstock.domain.app import App, Route, parse_selector
from penstock.domain.errors import PenstockError, conflict
from penstock.store.database import Database
from penstock.store.groups import ensure_groups
from penstock.store.schema import agent_certificate_names, app_access, app_routes, app_workers, apps


def _all(table: Table, value: ColumnElement[Any], label: str) -> Label[Any]:
    """A column with a JSON list of what each app has in another table."""
    query = select(func.json_group_array(value)).where(table.c.app_id == apps.c.id).correlate(apps)
    return query.scalar_subquery().label(label)


_APP = (
    apps,
    _all(app_routes, func.json_array(app_routes.c.host, app_routes.c.path), "routes"),
    _all(app_workers, app_workers.c.name, "workers"),
    _all(app_access, app_access.c.group_name, "access"),
)


class AppTable:
    """Implements ``AppRepository``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, app: App) -> None:
        """Raises ``conflict`` if its name, a route or a worker's certificate name is taken."""
        row = {
            "id": app.id,
            "name": app.name,
            "identify": app.identify,
            "selector": str(app.selector),
            "timeout_seconds": app.timeout_seconds,
            "created_at": app.created_at,
        }
        async with self._database.write() as connection:
            try:
                await connection.execute(insert(apps).values(row))
            except IntegrityError:
                hint = f"delete it first: penstock admin delete app {app.name}"
                raise conflict(f"there is an app {app.name!r} already", hint=hint) from None
            await _add_routes(connection, app)
            await _add_workers(connection, app)
            await ensure_groups(connection, app.access)
            if app.access:
                members = [{"app_id": app.id, "group_name": name} for name in app.access]
                await connection.execute(insert(app_access), members)

    async def get(self, id_or_name: str) -> App | None:
        """By identifier or name."""
        query = select(*_APP).where(or_(apps.c.id == id_or_name, apps.c.name == id_or_name))
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return None if row is None else _app(row)

    async def served_by(self, certificate_names: Sequence[str]) -> Sequence[tuple[str, str]]:
        """Which of these names are of workers, each with the name of its app."""
        query = select(app_workers.c.name, apps.c.name.label("app")).join(apps)
        async with self._database.read() as connection:
            rows = await connection.execute(query.where(app_workers.c.name.in_(certificate_names)))
            return [(row.name, row.app) for row in rows]

    async def list(self) -> Sequence[App]:
        """By name."""
        async with self._database.read() as connection:
            return [_app(row) for row in await connection.execute(select(*_APP).order_by(apps.c.name))]

    async def delete(self, app_id: str) -> bool:
        """False if there is none."""
        async with self._database.write() as connection:
            return (await connection.execute(delete(apps).where(apps.c.id == app_id))).rowcount > 0


async def _add_routes(connection: AsyncConnection, app: App) -> None:
    wanted = [(route.host, route.path) for route in app.routes]
    taken = (
        select(app_routes.c.host, app_routes.c.path, apps.c.name)
        .join(apps)
        .where(tuple_(app_routes.c.host, app_routes.c.path).in_(wanted))
    )
    if (row := (await connection.execute(taken)).first()) is not None:
        raise conflict(
            f"the route {Route(row.host, row.path)} is of the app {row.name!r}",
            hint="choose another: --route HOST/PATH",
        )
    rows = [{"host": host, "path": path, "app_id": app.id} for host, path in wanted]
    await connection.execute(insert(app_routes), rows)


async def _add_workers(connection: AsyncConnection, app: App) -> None:
    for table, whose in ((app_workers, "another app's worker"), (agent_certificate_names, "an agent")):
        taken = select(table.c.name).where(table.c.name.in_(app.workers))
        if (name := (await connection.execute(taken)).scalar()) is not None:
            raise _of_another(name, whose)
    rows = [{"name": name, "app_id": app.id} for name in app.workers]
    await connection.execute(insert(app_workers), rows)


def _of_another(name: str, whose: str) -> PenstockError:
    return conflict(f"a certificate named {name!r} is of {whose}", hint="choose another: --worker NAME")


def _app(row: Row[Any]) -> App:
    return App(
        id=row.id,
        name=row.name,
        routes=tuple(Route(host, path) for host, path in sorted(json.loads(row.routes))),
        workers=tuple(sorted(json.loads(row.workers))),
        created_at=row.created_at,
        identify=row.identify,
        access=frozenset(json.loads(row.access)),
        selector=parse_selector(row.selector),
        timeout_seconds=row.timeout_seconds,
    )
