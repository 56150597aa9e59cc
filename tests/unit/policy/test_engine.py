"""The policy engine fails closed."""

from datetime import UTC, datetime

from penstock.domain.connection import Connection, ConnectionType
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb
from penstock.policy.engine import PolicyEngine, Resource

CONNECTION = Connection("1", "db", ConnectionType.TCP, None, frozenset(), datetime.now(UTC), {})
SUBJECT = Subject("me@example.com", frozenset({"dev"}))


class Scripted:
    """A rule with one answer."""

    def __init__(self, name: str, answer: Decision | Exception | None) -> None:
        self.name = name
        self._answer = answer

    def judge(self, subject: Subject, resource: Resource, verb: Verb, context: Context) -> Decision | None:
        """The answer."""
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def _decide(*rules: Scripted) -> Decision:
    return PolicyEngine(rules).decide(SUBJECT, CONNECTION, Verb.CONNECT, Context("peer"))


def test_the_first_opinion_counts() -> None:
    deny = Deny("b", "no", "ask")
    assert _decide(Scripted("a", None), Scripted("b", deny), Scripted("c", Allow("c"))) == deny
    assert _decide(Scripted("a", Allow("a")), Scripted("b", deny)) == Allow("a")


def test_no_opinion_is_a_denial() -> None:
    assert isinstance(_decide(), Deny)
    assert isinstance(_decide(Scripted("a", None)), Deny)


def test_a_rule_that_breaks_denies_and_is_named() -> None:
    decision = _decide(Scripted("broken", ValueError("x")), Scripted("b", Allow("b")))
    assert isinstance(decision, Deny)
    assert decision.rule == "broken"
    assert "ValueError" in decision.reason
