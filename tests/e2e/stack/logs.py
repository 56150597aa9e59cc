"""Logs: what they say, and what none may hold."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def lines(log: Path) -> list[dict[str, Any]]:
    """The whole lines of a JSON log so far."""
    text = log.read_text("utf-8")
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def leaks(folder: Path, secrets: Iterable[str]) -> list[str]:
    """Every place below a folder where a process of Penstock's wrote one of these words to a log."""
    wanted = [word for word in secrets if word]
    found = []
    for log in sorted([*folder.glob("*/logs/*.log"), *folder.glob("*/logs/*.out")]):
        if log.stem.endswith("-postgres"):
            continue
        for number, line in enumerate(log.read_text("utf-8", "replace").splitlines(), 1):
            found += [f"{log.name}:{number} holds {word!r}: {line}" for word in wanted if word in line]
    return found
