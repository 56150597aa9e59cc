"""Which part of a configuration the core refuses: each is shown to it alone.

The core knows what Python cannot judge, such as regular expressions, and knows no lines.
"""

from collections.abc import Callable, Iterator

from penstock.domain.errors import PenstockError
from penstock.egress.document import EVERYBODY
from penstock.egress.places import Place
from penstock.egress.values import Json

Check = Callable[[Json], None]
"""Raises :class:`PenstockError` for a compiled configuration that cannot be put in force."""

_TABLES = {"callers": "caller", "listeners": "listener"}


def refused_part(shape: Json, check: Check) -> tuple[Place, PenstockError] | None:
    """The first part that is refused on its own, by its place in the file, and why."""
    for place, alone in _parts(shape):
        try:
            check(alone)
        except PenstockError as error:
            return place, error
    return None


def _parts(shape: Json) -> Iterator[tuple[Place, Json]]:
    for at, route in enumerate(shape["routes"]):
        yield ("route", at), {"routes": [route]}
    for number, profile in enumerate(shape["profiles"]):
        for at, rule in enumerate(profile["rules"]):
            place: Place = ("rule", at) if profile["name"] == EVERYBODY else ("profile", number, "rule", at)
            yield place, {"profiles": [{**profile, "rules": [rule]}]}
    for key, value in shape.items():
        if key not in ("routes", "profiles"):
            yield (_TABLES.get(key, key),), {key: value}
