"""The forward proxy."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock import _core
from penstock.engine.errors import core_errors


@dataclass(frozen=True, slots=True)
class EgressBound:
    """Where the ports are, as bound: the listeners in their order."""

    listeners: tuple[str, ...]
    admin: str | None


def check(config: Mapping[str, Any]) -> None:
    """Raises what the core finds wrong with a configuration, as far as no port is opened."""
    Egress(config)


class Egress:
    """Runs on threads of the core. Configurations are those that ``penstock.egress`` compiles."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Raises what the core finds wrong with the configuration; nothing runs yet."""
        with core_errors():
            self._core = _core.Egress(json.dumps(config))

    def start(self) -> EgressBound:
        """Binds the ports. Raises what the core says, naming the port that is taken."""
        with core_errors():
            bound = json.loads(self._core.start())
        return EgressBound(tuple(bound["listeners"]), bound.get("admin"))

    def reconfigure(self, config: Mapping[str, Any]) -> None:
        """Takes effect at once and cuts no tunnel. If it raises, the old configuration stays whole."""
        with core_errors():
            self._core.reconfigure(json.dumps(config))

    def stats(self) -> dict[str, Any]:
        """Counters and gauges by name."""
        with core_errors():
            stats: dict[str, Any] = json.loads(self._core.stats())
        return stats

    def explain(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """What would be decided about a request, by which rule, and why not by those before it.

        ``url``, and if need be ``as``, ``groups``, ``method``, ``headers``, ``body``, ``addresses``, ``at``.
        """
        with core_errors():
            explained: dict[str, Any] = json.loads(self._core.explain(json.dumps(question)))
        return explained

    def shutdown(self, grace_seconds: float) -> None:
        """Lets requests and tunnels finish for so long, then stops. Blocks: run it off the loop."""
        with core_errors():
            self._core.shutdown(grace_seconds)
