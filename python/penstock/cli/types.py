"""Names for shapes that have no better type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

Json: TypeAlias = Any
"""A JSON document from the gateway: what it must hold is known where it is used."""

Command = TypeVar("Command", bound=Callable[..., object])
"""A function on its way to become a click command."""
