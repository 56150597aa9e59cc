"""Who may enter an app that identifies its callers."""

import structlog

from penstock.domain.app import Visitor
from penstock.domain.errors import forbidden, not_found
from penstock.domain.ports import AppRepository
from penstock.domain.question import Enter
from penstock.domain.user import Identity
from penstock.policy.decision import Context, Deny, Subject, Verb
from penstock.policy.engine import PolicyEngine
from penstock.services.authentication import Authentication


class Visits:
    """Asked once for each token and app: the engine remembers a yes until the token or the apps change."""

    def __init__(self, authentication: Authentication, apps: AppRepository, policy: PolicyEngine) -> None:
        self._authentication = authentication
        self._apps = apps
        self._policy = policy
        self._log = structlog.get_logger("penstock.services.visits")

    async def enter(self, question: Enter) -> Visitor:
        """Raises ``unauthenticated``, ``not-found`` or ``forbidden`` naming the rule."""
        return await self.admit(
            await self._authentication.identify(question.token), question.app, question.peer
        )

    async def admit(self, identity: Identity, name: str, peer: str) -> Visitor:
        """Whether this user may enter this app. Raises ``not-found`` or ``forbidden`` naming the rule."""
        app = await self._apps.get(name)
        if app is None:
            raise not_found("app", name, hint="it was deleted: ask an admin")
        user = identity.user
        decision = self._policy.decide(Subject(user.email, user.groups), app, Verb.ENTER, Context(peer))
        known = {"user": user.email, "app": app.name, "rule": decision.rule, "peer": peer}
        if isinstance(decision, Deny):
            self._log.warning("visit denied", **known)
            raise forbidden(decision.reason, hint=decision.hint)
        self._log.info("visit", **known)
        return Visitor(user.id, user.email, user.groups, identity.token.id, identity.token.expires_at)
