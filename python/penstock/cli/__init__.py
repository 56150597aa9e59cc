"""The command line: one file per command, none of them imported before it is asked for."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `penstock` script; ends the process with the command's exit code."""
    from penstock.cli.run import run

    sys.exit(run(sys.argv[1:]))
