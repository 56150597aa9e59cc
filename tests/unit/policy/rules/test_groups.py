"""The rule of groups."""

from datetime import UTC, datetime

import pytest
from penstock.domain.connection import Connection, ConnectionType
from penstock.policy.decision import Allow, Context, Deny, Subject, Verb
from penstock.policy.rules.groups import GroupsRule


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize(
    ("subject", "connection", "allowed"),
    [
        ({"dev"}, {"dev"}, True),
        ({"dev", "x"}, {"ops", "dev"}, True),
        ({"root"}, {"dev"}, True),
        ({"root"}, set(), True),
        ({"dev"}, {"ops"}, False),
        ({"dev"}, set(), False),
        (set(), {"dev"}, False),
        (set(), set(), False),
    ],
)
def test_a_shared_group_or_the_admin_group_is_needed(
    subject: set[str], connection: set[str], allowed: bool, verb: Verb
) -> None:
    named = Connection("1", "db", ConnectionType.TCP, None, frozenset(connection), datetime.now(UTC), {})
    decision = GroupsRule("root").judge(Subject("me", frozenset(subject)), named, verb, Context("peer"))
    assert isinstance(decision, Allow) is allowed
    if isinstance(decision, Deny):
        assert "rule 'groups'" in decision.reason
        assert all(group in decision.reason for group in connection)
