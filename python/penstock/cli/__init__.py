"""The command line: one file per command, none of them imported before it is asked for."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `penstock` script; ends the process with the command's exit code."""
    try:
        from penstock.cli.run import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        # Before the command line itself is up; it answers Ctrl-C with the same code.
        code = 130
    sys.exit(code)
