"""What the demo remembers between runs: its passwords and its agent's key, in a 0600 file."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Self

from penstock.cli.config import write_private
from penstock.cli.errors import Refusal


def _fresh() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Secrets:
    """Made once per home, at random."""

    admin: str = field(default_factory=_fresh)
    superuser: str = field(default_factory=_fresh)
    role: str = field(default_factory=_fresh)
    agent_key: str = ""

    @classmethod
    def load(cls, file: Path) -> Self:
        """Reads them, or makes and keeps new ones."""
        try:
            stored = json.loads(file.read_text("utf-8"))
            return cls(**{name: str(stored[name]) for name in cls.__dataclass_fields__})
        except FileNotFoundError:
            made = cls()
            made.save(file)
            return made
        except (ValueError, TypeError, KeyError) as error:
            raise Refusal(f"{file} cannot be read.", hint=f"Begin anew: delete {file.parent}") from error

    def with_key(self, key: str, file: Path) -> Self:
        """The same with this agent key, kept."""
        changed = replace(self, agent_key=key)
        changed.save(file)
        return changed

    def save(self, file: Path) -> None:
        """Writes them."""
        write_private(file, json.dumps(asdict(self)))
