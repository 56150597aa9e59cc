"""The rule of apps."""

from datetime import UTC, datetime

import pytest
from penstock.domain.app import App
from penstock.domain.connection import Connection, ConnectionType
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb
from penstock.policy.engine import PolicyEngine, Resource
from penstock.policy.rules.access import AccessRule
from penstock.policy.rules.groups import GroupsRule

NOW = datetime.now(UTC)


def _app(*access: str) -> App:
    return App("1", "shop", (), (), NOW, access=frozenset(access))


def _judge(groups: set[str], resource: Resource) -> Decision | None:
    return AccessRule("root").judge(Subject("me", frozenset(groups)), resource, Verb.ENTER, Context("peer"))


@pytest.mark.parametrize(
    ("groups", "access", "allowed"),
    [
        (set(), set(), True),
        ({"dev"}, set(), True),
        ({"dev"}, {"dev", "ops"}, True),
        ({"root"}, {"dev"}, True),
        ({"dev"}, {"ops"}, False),
        (set(), {"ops"}, False),
    ],
)
def test_no_access_means_everybody_else_a_shared_group(
    groups: set[str], access: set[str], allowed: bool
) -> None:
    decision = _judge(groups, _app(*access))
    assert isinstance(decision, Allow) is allowed
    if isinstance(decision, Deny):
        assert "rule 'access' wants one of the groups ops, root" in decision.reason


def test_connections_and_apps_are_of_different_rules() -> None:
    connection = Connection("1", "db", ConnectionType.TCP, None, frozenset(), NOW, {})
    assert _judge({"dev"}, connection) is None
    subject, context = Subject("me", frozenset({"dev"})), Context("peer")
    assert GroupsRule("root").judge(subject, _app(), Verb.ENTER, context) is None
    engine = PolicyEngine([GroupsRule("root"), AccessRule("root")])
    assert isinstance(engine.decide(subject, connection, Verb.SEE, context), Deny)
    assert engine.decide(subject, _app(), Verb.SEE, context) == Allow("access")
