"""Profiles: who may go where."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from penstock.egress.part import Part, compiled
from penstock.egress.paths import Paths
from penstock.egress.values import (
    SECOND,
    Json,
    Methods,
    Name,
    Networks,
    OptionalDuration,
    OptionalSize,
    Patterns,
    Ports,
    SomeDuration,
    Texts,
)
from penstock.egress.windows import Windows

Per = Literal["everyone", "principal", "destination", "principal_and_destination"]
Count = Annotated[int, Field(ge=1, le=2**31)]


class Rate(Part):
    """How often."""

    requests: Count
    """So many requests and tunnels,"""
    period: SomeDuration
    """in this time."""
    burst: Count | None = None
    """How many may come at once. Unset: `requests`."""
    per: Per = "principal"
    """What has a limit of its own."""


class Budget(Part):
    """How much."""

    bytes: OptionalSize = None
    """Payload, both ways."""
    open: OptionalDuration = None
    """How long requests and tunnels were open, summed."""
    period: SomeDuration
    """When it begins anew, counted in UTC: `1d` at midnight."""
    per: Per = "principal"
    """What has a budget of its own."""

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.bytes is None and self.open is None:
            raise ValueError("a budget names bytes, or open, or both")
        if self.period < SECOND:
            raise ValueError("a budget's period is a second or longer")
        return self


class Rule(Part):
    """Allows or denies what meets all of its conditions. One that is not written always holds."""

    name: Name | None = None
    """What it is called in logs and errors. Unset: `rule-1`, `rule-2`, ..."""
    allow: Patterns | None = None
    """Destinations that pass: `api.example.com`, `*.example.com`, `.example.com` (with itself), `*`."""
    deny: Patterns | None = None
    """Destinations that do not pass; a rule has `allow` or `deny`."""
    reason: str = ""
    """Why; the caller reads it."""
    networks: Networks = []
    """The address behind the name, each decided on its own."""
    ports: Ports = []
    """The destination's ports."""
    methods: Methods = []
    """Methods; `CONNECT` among them speaks of tunnels."""
    paths: Paths = []
    """Paths. A rule with paths cannot see into a tunnel, and lets none through."""
    windows: Windows = []
    """When it holds: `mon-fri 08:00-18:00 +01:00`, UTC where no offset is written."""
    require_tls_name: bool | None = None
    """Whether a tunnel must begin with TLS that names the destination. Unset: as `connect` says."""
    rates: list[Rate] = []
    """How often what it allows may happen."""
    budgets: list[Budget] = []
    """How much of what it allows may happen."""
    tunnel: OptionalDuration = None
    """How long a tunnel or an upgraded connection may last."""

    @model_validator(mode="after")
    def _does_one_thing(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError('a rule has either allow or deny, for example allow = ["*.example.com"]')
        if self.deny is not None and (self.rates or self.budgets or self.tunnel is not None):
            raise ValueError("rates, budgets and tunnel are for rules that allow")
        return self

    def numbered(self, number: int) -> Json:
        """As the core reads it, with a name."""
        shape = super().compiled()
        allow, deny = shape.pop("allow"), shape.pop("deny")
        shape["name"] = self.name or f"rule-{number}"
        return {
            **shape,
            "action": "deny" if allow is None else "allow",
            "domains": deny if allow is None else allow,
        }


class Profile(Part):
    """Rules for some callers.

    All profiles that speak of a caller count, in order; the first rule that holds decides.
    """

    name: Name
    """What it is called in logs and errors."""
    principals: Texts = []
    """Callers by name; `*` stands for any run of characters. Who proved nothing is `anonymous`."""
    groups: Texts = []
    """Callers by group."""
    rule: list[Rule] = []
    """The rules, in order."""

    @model_validator(mode="after")
    def _speaks_of_somebody(self) -> Self:
        if not self.principals and not self.groups:
            raise ValueError('a profile names principals or groups, for example principals = ["*"]')
        return self

    def compiled(self) -> Json:
        """As the core reads it."""
        return {
            "name": self.name,
            "principals": self.principals,
            "groups": self.groups,
            "rules": [compiled(rule.numbered(at)) for at, rule in enumerate(self.rule, start=1)],
        }
