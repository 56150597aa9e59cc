"""An app is for the groups that its access names, or else for everybody who is logged in."""

from penstock.domain.app import App
from penstock.policy.decision import Allow, Context, Decision, Deny, Subject, Verb
from penstock.policy.engine import Resource


class AccessRule:
    """Has no opinion of connections. Members of the admin group may enter every app."""

    name = "access"

    def __init__(self, admin_group: str) -> None:
        self._admin_group = admin_group

    def judge(self, subject: Subject, resource: Resource, verb: Verb, context: Context) -> Decision | None:
        """Looks at groups alone, so verb and circumstances change nothing."""
        if not isinstance(resource, App):
            return None
        if not resource.access or subject.groups & (resource.access | {self._admin_group}):
            return Allow(self.name)
        wanted = ", ".join(sorted(resource.access | {self._admin_group}))
        return Deny(
            self.name,
            f"{subject.name} may not enter {resource.name!r}: rule 'access' wants one of the groups {wanted}",
            f"ask an admin to put you into a group that may enter {resource.name!r}",
        )
