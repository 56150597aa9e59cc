"""The pages that browsers see at an app that identifies its callers."""

import html

from penstock.api.page import content_security_policy, document
from penstock.domain.app import RESERVED
from penstock.domain.errors import PenstockError

HEADERS = {
    # No form-action: browsers hold it against the redirects after a form, which are the app's own to make.
    "Content-Security-Policy": content_security_policy(more=""),
    # With no-referrer a form would be sent from the origin "null".
    "Referrer-Policy": "same-origin",
}

_LOGIN = """<p class="soft">to <strong>{host}</strong></p>
{error}<form method="post" action="{reserved}/login">
<input type="hidden" name="next" value="{then}">
<label for="email">E-mail</label>
<input id="email" name="email" type="email" value="{email}" autocomplete="username" maxlength="254" required
 autofocus{described}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="1024" required
{described}>
<button type="submit">Log in</button>
</form>
"""

_LOGOUT = """<p>You will be logged out of <strong>{host}</strong>.</p>
<form method="post" action="{reserved}/logout">
<button type="submit">Log out</button>
</form>
"""

_DENIED = """<p class="bad" role="alert">{message}</p>
<p>{hint}</p>
<form method="post" action="{reserved}/logout">
<button type="submit">Log in as somebody else</button>
</form>
"""


def login_page(host: str, then: str, email: str = "", error: PenstockError | None = None) -> str:
    """The form, with what was wrong the last time. ``then`` is where a login leads."""
    body = _LOGIN.format(
        host=html.escape(host),
        reserved=RESERVED,
        then=html.escape(then),
        email=html.escape(email),
        error="" if error is None else f'<p class="bad" id="error" role="alert">{_words(error)}</p>\n',
        described="" if error is None else ' aria-describedby="error"',
    )
    return document(f"Log in to {host}", "Log in", body, narrow=True)


def logout_page(host: str) -> str:
    """A button."""
    body = _LOGOUT.format(host=html.escape(host), reserved=RESERVED)
    return document(f"Log out of {host}", "Log out", body, narrow=True)


def denied_page(host: str, error: PenstockError) -> str:
    """Which rule says no, and what to do."""
    hint = html.escape(_sentence(error.hint or ""))
    body = _DENIED.format(message=html.escape(error.message), hint=hint, reserved=RESERVED)
    return document(f"Not allowed at {host}", "Not allowed", body, narrow=True)


def _words(error: PenstockError) -> str:
    return html.escape(_sentence(f"{error.message}: {error.hint}" if error.hint else error.message))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
