"""The long-running roles, by name: the composition root runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from penstock.cli.errors import Refusal
from penstock.cli.lazy import Lazy
from penstock.cli.open_files import raise_open_files

# Named, not imported: the composition root stands above the command line.
_ROLES = {
    "gateway": Lazy("penstock.app:run_gateway", "the gateway"),
    "agent": Lazy("penstock.app:run_agent", "the agent"),
    "standalone": Lazy("penstock.app:run_standalone", "both"),
    "worker": Lazy("penstock.app:run_worker", "the worker"),
    "proxy": Lazy("penstock.app:run_proxy", "the proxy"),
    "egress": Lazy("penstock.app:run_egress", "the forward proxy"),
}


def run_role(role: str, *settings: object) -> None:
    """Runs it until it is told to stop. Raises :class:`Refusal` if it ended with an error."""
    raise_open_files()
    code = cast("Callable[..., int | None]", _ROLES[role].load())(*settings)
    if code:
        raise Refusal(f"The {role} ended with an error.", hint="Its log above says why.")
