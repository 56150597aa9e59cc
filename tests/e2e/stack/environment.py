"""The environment of Penstock's processes: nothing of the developer's own settings or login."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock import settings

PENSTOCK = str(Path(sys.executable).with_name("penstock"))
"""The installed command."""


def environment(home: Path, variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """A home of its own, tokens in files, and the variables that are given."""
    foreign = {*settings.names(), "PENSTOCK_TOKEN", "NO_COLOR", "FORCE_COLOR", "PYTHONDONTWRITEBYTECODE"}
    foreign |= {"https_proxy", "no_proxy"}
    inherited = {
        name: value for name, value in os.environ.items() if name not in foreign and not name.startswith("PG")
    }
    own = {"PENSTOCK_HOME": str(home), "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    return {**inherited, **own, **(variables or {})}
