"""What things may be called."""

import re

from penstock.domain.errors import malformed

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
"""Safe in a URL, a path, a shell and a metric's label."""

# Things are found by name or identifier: neither may look like the other.
_UUID = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f/]{1,189}")

_CERTIFICATE_NAME = re.compile(r"[!-~]{1,253}")

PASSWORD_CHARACTERS = (8, 1024)


def check_name(what: str, name: str) -> str:
    """The name. Raises ``malformed``."""
    if not NAME.fullmatch(name) or _UUID.fullmatch(name):
        raise malformed(
            f"{name!r} cannot be the name of {what}",
            hint="use up to 63 letters, digits, dots, dashes and underscores, a letter or digit first",
        )
    return name


def check_certificate_name(name: str) -> str:
    """A name as certificates hold it: of a host, a URI or an e-mail address. Raises ``malformed``."""
    if not _CERTIFICATE_NAME.fullmatch(name):
        raise malformed(
            f"{name!r} cannot be the name in a certificate", hint="use up to 253 visible ASCII characters"
        )
    return name


def check_email(email: str) -> str:
    """The e-mail in lower case. Raises ``malformed``."""
    if not _EMAIL.fullmatch(email):
        raise malformed(f"{email!r} is not an e-mail address", hint="write it like me@example.com")
    return email.lower()


def check_password(password: str) -> str:
    """The password. Raises ``malformed``."""
    shortest, longest = PASSWORD_CHARACTERS
    if not shortest <= len(password) <= longest:
        raise malformed(f"a password has {shortest} to {longest} characters", hint="choose a longer one")
    return password
