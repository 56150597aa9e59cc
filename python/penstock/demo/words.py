"""What the demo tells at its end: where the recording is, and the lines to go on with."""

from __future__ import annotations

import shlex
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.demo.gateway import CONNECTION
from penstock.demo.postgres import DATABASE, ROLE, binaries

# The port that `penstock connect` prefers for PostgreSQL.
_PREFERRED_PORT = 5433


def penstock(home: Path, *arguments: str) -> str:
    """A command line, with full paths, that uses the demo's login instead of the user's own."""
    script = Path(sys.executable).with_name("penstock")
    program = [str(script)] if script.exists() else [sys.executable, "-m", "penstock"]
    return f"PENSTOCK_HOME={shlex.quote(str(home))} {shlex.join([*program, *arguments])}"


def offline(home: Path, file: Path) -> dict[str, str]:
    """The lines that need no gateway."""
    return {verb: penstock(home, "sessions", verb, str(file)) for verb in ("replay", "verify")}


def commands(home: Path, session: str) -> dict[str, str]:
    """The lines to go on with while the demo runs, by what they are for."""
    port = str(_free_port())
    psql = [str(binaries() / "psql"), "-h", "127.0.0.1", "-p", port, "-U", ROLE, "-d", DATABASE]
    return {
        "replay": penstock(home, "sessions", "replay", session),
        "verify": penstock(home, "sessions", "verify", session),
        "connect": penstock(home, "connect", CONNECTION, "--port", port),
        "psql": shlex.join(psql),
        "exec": penstock(home, "exec", CONNECTION, "-i", "SELECT * FROM people LIMIT 5"),
        "sessions": penstock(home, "sessions", "list"),
    }


def recording(home: Path, session: str) -> Path | None:
    """The file of a session that is over; None if it is not in its place (yet)."""
    return next(home.glob(f"recordings/*/*/*/{session}.rec"), None)


def farewell(lines: Mapping[str, str]) -> str:
    """The lines for a person."""
    text = ["Replay it, and prove that nobody changed it:", f"  {lines['replay']}", f"  {lines['verify']}"]
    if "connect" in lines:
        text += [
            "",
            "Use it yourself. A query:",
            f"  {lines['exec']}",
            "A port in one terminal, psql in another:",
            f"  {lines['connect']}",
            f"  {lines['psql']}",
            "What was done so far:",
            f"  {lines['sessions']}",
        ]
    return "\n".join(text)


def _free_port() -> int:
    for port in (_PREFERRED_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0
