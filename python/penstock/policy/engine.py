"""The policy engine: asks its rules in order; what no rule allows is denied."""

from collections.abc import Sequence
from typing import Protocol

from penstock.domain.app import App
from penstock.domain.connection import Connection
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb

Resource = Connection | App
"""What is decided about."""


class Rule(Protocol):
    """Allows, denies, or has no opinion (``None``). Pure: no clock, no files, no sockets."""

    @property
    def name(self) -> str: ...
    def judge(
        self, subject: Subject, resource: Resource, verb: Verb, context: Context
    ) -> Decision | None: ...


class PolicyEngine:
    """Fails closed: a rule that breaks denies, and so does the absence of an opinion."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)

    def decide(self, subject: Subject, resource: Resource, verb: Verb, context: Context) -> Decision:
        """The first opinion counts."""
        for rule in self._rules:
            try:
                decision = rule.judge(subject, resource, verb, context)
            except Exception as error:  # noqa: BLE001 - whatever breaks in a rule is a denial
                return Deny(
                    rule.name, f"the rule {rule.name!r} failed ({type(error).__name__})", "ask an admin"
                )
            if isinstance(decision, Allow | Deny):
                return decision
        return Deny("default", "no rule allows it", "ask an admin")
