"""A connection is for the groups that it names."""

from penstock.domain.connection import Connection
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb


class GroupsRule:
    """Allows who shares a group with the connection, and members of the admin group everything."""

    name = "groups"

    def __init__(self, admin_group: str) -> None:
        self._admin_group = admin_group

    def judge(self, subject: Subject, connection: Connection, verb: Verb, context: Context) -> Decision:
        """Looks at groups alone, so verb and circumstances change nothing."""
        if self._admin_group in subject.groups or subject.groups & connection.groups:
            return Allow(self.name)
        wanted = ", ".join(sorted(connection.groups | {self._admin_group}))
        return Deny(
            self.name,
            f"{subject.name} may not use {connection.name!r}: rule 'groups' wants one of: {wanted}",
            f"ask an admin to put you into a group that may use {connection.name!r}",
        )
