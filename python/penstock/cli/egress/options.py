"""What the commands about a configuration have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from penstock.egress.values import Json
    from penstock.engine.egress import Egress

config_option = click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="EGRESS_CONFIG",
    show_envvar=True,
    help="The configuration: TOML, or YAML with Gateway and VirtualService resources.  [default: none]",
)


def configured(path: Path | None) -> tuple[Json, Egress]:
    """The compiled configuration, and the proxy that was made of it but not started. Raises what is wrong."""
    from penstock.egress.load import Overrides
    from penstock.egress.source import Source
    from penstock.engine.egress import Egress, check

    shape = Source(path, Overrides(), check).compile()
    return shape, Egress(shape)
