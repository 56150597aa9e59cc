"""One invocation from its arguments to its exit code; the only place that turns errors into words."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from penstock.cli.errors import FAILED, INTERRUPTED, report, told_by_domain
from penstock.cli.root import root
from penstock.cli.state import State
from penstock.domain.errors import PenstockError


def run(arguments: Sequence[str], state: State | None = None) -> int:
    """Runs one command.

    Returns 0 if done, 1 if refused or failed, 2 if asked wrongly, 130 if interrupted.
    """
    state = state or State()
    try:
        code = root.main(list(arguments), prog_name="penstock", standalone_mode=False, obj=state)
        sys.stdout.flush()
    except click.Abort:
        return INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.ClickException as error:
        report(error, state.json)
        return error.exit_code
    except OSError as error:
        return _broken(error, state)
    except PenstockError as error:
        report(told_by_domain(error), state.json)
        return FAILED
    return code if isinstance(code, int) else 0


def _broken(error: OSError, state: State) -> int:
    if error.errno == errno.EPIPE:
        # The reader went away (`penstock list | head`). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    where = f": {error.filename}" if error.filename else ""
    report(click.ClickException(f"{error.strerror or error}{where}"), state.json)
    return FAILED
