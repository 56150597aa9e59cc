"""`make bench-proxied`: everything in one run, on this machine's loopback alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import click

from benchmarks.access.database import database
from benchmarks.measure.added import DIRECT
from benchmarks.measure.figure import Figure, MissingWayError
from benchmarks.measure.report import Report, options, tell
from benchmarks.measure.rounds import Row, chosen, rounds
from benchmarks.measure.way import Way
from benchmarks.proxied.floor import shares
from benchmarks.proxied.rows import echoes, sessions
from benchmarks.proxied.ways import WAYS, Stage, echo, session
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.processes import Processes

W = TypeVar("W", bound=Way)


@click.command()
@options
def main(report: Report) -> None:
    """Measures sessions behind nginx, HAProxy and Envoy, beside a plain gRPC echo behind the same."""
    with report.running("benchmarks.proxied"), tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        _measure(Path(folder), report)


def _measure(folder: Path, report: Report) -> None:
    tools = Peers(cache(), tell)
    tools.bring()
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        certificate = Pki(Cli(folder / "home", processes)).server("localhost")
        tell("starting PostgreSQL")
        server = exits.enter_context(database(folder / "postgres", processes))
        stage = Stage(folder, processes, tools, certificate, server, exits)
        ours = _table("sessions", session, sessions(report.seconds), stage, report)
        floor = _table("a plain gRPC echo", echo, echoes(report.seconds), stage, report)
        report.add_figures("sessions beside the echo", shares(ours, floor, WAYS), WAYS[1:], WAYS[1])


def _table(
    title: str,
    build: Callable[[Stage, str], W],
    rows: Sequence[Row[W]],
    stage: Stage,
    report: Report,
) -> list[Figure]:
    ways = _built(title, build, stage, report)
    found = rounds(chosen(rows, report.rows), ways, report.rounds, tell)
    report.add(title, found, [way.name for way in ways], DIRECT)
    return found.figures


def _built(title: str, build: Callable[[Stage, str], W], stage: Stage, report: Report) -> list[W]:
    """The ways that stand; the report learns why the others do not."""
    found: list[W] = []
    for name in WAYS:
        tell(f"starting {title}: {name}")
        try:
            found.append(build(stage, name))
        except MissingWayError as reason:
            report.missing(f"{title}, {name}", reason)
    return found


if __name__ == "__main__":
    main()
