"""What a check has found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNED = "warned"
    """What was seen works, and will not for ever or for all."""
    FAILED = "failed"
    NOT_RUN = "not-run"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check that went well."""

    detail: str


class CheckError(Exception):
    """A check that did not. ``facts`` are what was seen, by name, and what a diagnosis is found by.

    Neither holds a secret or anything of a session. With ``grave`` false it is a warning.
    """

    def __init__(self, detail: str, facts: Mapping[str, str] | None = None, *, grave: bool = True) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = {"detail": detail, **(facts or {})}
        self.grave = grave


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a trouble comes from, and what mends it."""

    name: str
    """As the guide calls it."""
    checks: frozenset[str]
    """The checks in which it shows."""
    seen: Mapping[str, str]
    """What makes it out: a regular expression for each fact, all of which must be found."""
    cause: str
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What to change, by where: ``nginx``, ``HAProxy``, ``Envoy``, ``ALB``, ``agent``, ``client``,
    ``gateway``."""


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the answer."""

    check: str
    status: Status
    detail: str
    seconds: float | None = None
    diagnosis: Diagnosis | None = None
