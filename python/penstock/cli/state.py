"""What one invocation of the command line carries from its options to its end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

    from penstock.cli.tunnel import Dial


def home() -> Path:
    """The folder that holds all state: `PENSTOCK_HOME`, by default `~/.penstock`."""
    return Path(os.environ.get("PENSTOCK_HOME") or "~/.penstock").expanduser().absolute()


@dataclass
class State:
    """One invocation: where its state lives, how it answers, and (in tests) what stands for the network."""

    home: Path = field(default_factory=home)
    output: str = "table"
    transport: httpx.BaseTransport | None = None
    dial: Dial | None = None
    debug: set[str] = field(default_factory=set)
    """What is to be logged: `debug`, `debug_grpc`."""

    @property
    def json(self) -> bool:
        """True if the answer is for a program."""
        return self.output == "json"
