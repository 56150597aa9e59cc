"""Where the token is kept: the system's keyring if one works, else a 0600 file."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from penstock.cli.config import Config, write_private
from penstock.cli.errors import Refusal

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

Answer = TypeVar("Answer")

KEYRING, FILE = "keyring", "file"

_SERVICE = "penstock"
# A locked keyring waits for somebody to answer a dialogue, which on a machine without a screen nobody does.
_KEYRING_SECONDS = 5.0


def load(home: Path, config: Config) -> str | None:
    """The token: `PENSTOCK_TOKEN`, or what `login` stored; None if there is none."""
    if given := os.environ.get("PENSTOCK_TOKEN"):
        return given
    if config.token_store == KEYRING:
        return _bounded(lambda: _keyring().get_password(_SERVICE, str(home)))
    try:
        return (home / "token").read_text("utf-8").strip() or None
    except FileNotFoundError:
        return None


def store(home: Path, token: str, *, keyring: bool = True) -> str:
    """Keeps the token and says where: `keyring` or `file`."""
    if keyring and _in_keyring(home, token):
        (home / "token").unlink(missing_ok=True)
        return KEYRING
    write_private(home / "token", token + "\n")
    return FILE


def forget(home: Path, config: Config) -> None:
    """Removes the token from where it is kept."""
    (home / "token").unlink(missing_ok=True)
    if config.token_store == KEYRING:
        _bounded(lambda: _keyring().delete_password(_SERVICE, str(home)))


def _in_keyring(home: Path, token: str) -> bool:
    def attempt() -> bool:
        backend = _keyring()
        # Backends that keep nothing, or only pretend to, have no priority above zero.
        if backend.priority <= 0:
            return False
        backend.set_password(_SERVICE, str(home), token)
        return backend.get_password(_SERVICE, str(home)) == token

    try:
        return _bounded(attempt)
    except Refusal:
        return False


def _keyring() -> KeyringBackend:
    import keyring

    return keyring.get_keyring()


def _bounded(ask: Callable[[], Answer]) -> Answer:
    """What the keyring answers, within bounded time; any failure of its is a refusal."""
    answers: list[Answer] = []
    faults: list[Exception] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception as error:  # noqa: BLE001 - backends raise what they like
            faults.append(error)

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(_KEYRING_SECONDS)
    if answers:
        return answers[0]
    reason = str(faults[0]) if faults else f"no answer within {_KEYRING_SECONDS:.0f} s"
    raise Refusal(
        f"The system's keyring does not work: {reason}",
        hint="Unlock it, or do without: PYTHON_KEYRING_BACKEND=keyring.backends.null.Keyring",
    )
