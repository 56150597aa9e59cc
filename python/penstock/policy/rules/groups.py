"""A connection is for the groups that it names."""

from penstock.domain.connection import Connection
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb
from penstock.policy.engine import Resource


class GroupsRule:
    """Allows who shares a group with the connection, and members of the admin group everything.

    Has no opinion of what is no connection.
    """

    name = "groups"

    def __init__(self, admin_group: str) -> None:
        self._admin_group = admin_group

    def judge(self, subject: Subject, resource: Resource, verb: Verb, context: Context) -> Decision | None:
        """Looks at groups alone, so verb and circumstances change nothing."""
        if not isinstance(resource, Connection):
            return None
        if self._admin_group in subject.groups or subject.groups & resource.groups:
            return Allow(self.name)
        wanted = ", ".join(sorted(resource.groups | {self._admin_group}))
        return Deny(
            self.name,
            f"{subject.name} may not use {resource.name!r}: rule 'groups' wants one of: {wanted}",
            f"ask an admin to put you into a group that may use {resource.name!r}",
        )
