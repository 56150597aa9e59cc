"""The server's words on a connection that did not come about, out of libpq's text."""

from __future__ import annotations

from penstock.cli.sql.failure import not_connected

WHERE = 'connection to server on socket "/tmp/x/.s.PGSQL.5432" failed: '


def test_message_and_hint_are_told_apart() -> None:
    """Without the place, which is a temporary one."""
    refusal = not_connected(f"{WHERE}FATAL:  the agent is offline\nHINT:  start it\n")
    assert (refusal.message, refusal.hint, refusal.code) == ("the agent is offline", "start it", "refused")


def test_lines_of_the_message_stay() -> None:
    """A hint is none of them; there may be none."""
    refusal = not_connected(f"{WHERE}FATAL:  no:\nline two\n")
    assert (refusal.message, refusal.hint) == ("no:\nline two", None)


def test_what_the_server_did_not_say_is_a_loss() -> None:
    """libpq's own words, and where to look."""
    refusal = not_connected(f"{WHERE}server closed the connection unexpectedly\n")
    assert refusal.code == "lost"
    assert refusal.message.endswith("unexpectedly") and refusal.hint
