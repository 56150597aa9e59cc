"""`make bench-access`: everything in one run, on this machine's loopback alone."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks.access import ours, peers
from benchmarks.access.database import database, way
from benchmarks.access.idle import idle
from benchmarks.access.rows import Questions
from benchmarks.access.stage import Stage
from benchmarks.access.way import Access
from benchmarks.measure.added import DIRECT, added
from benchmarks.measure.figure import Figure, MeasureError, MissingWayError
from benchmarks.measure.report import Report, options, tell
from benchmarks.measure.rounds import Results, chosen, rounds
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.processes import Processes

WAYS: dict[str, Callable[[Stage], Sequence[Access]]] = {
    DIRECT: lambda stage: [way(stage.server)],
    peers.HAPROXY: lambda stage: [peers.haproxy(stage)],
    peers.SSH: lambda stage: [peers.ssh(stage)],
    "penstock": ours.penstock,
    ours.FSYNC: ours.durable,
}

IDLE = (peers.HAPROXY, peers.SSH, ours.GRPC, ours.TLS)
"""The ways whose idle sessions are weighed; the others pass the same processes."""


@click.command()
@options
def main(report: Report) -> None:
    """Measures sessions through Penstock beside the direct path, HAProxy and ssh -L."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with report.running("benchmarks.access"), tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        _measure(Path(folder), report)


def _measure(folder: Path, report: Report) -> None:
    tools = Peers(cache(), tell)
    programs = Peers(cache() / "access", tell, peers.PACKAGES)
    for each in (tools, programs):
        each.bring()
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        tell("starting PostgreSQL")
        server = exits.enter_context(database(folder / "postgres", processes))
        ways = _built(Stage(folder, processes, tools, programs, server, exits), report)
        names = [each.name for each in ways]
        if report.wants("idle sessions"):
            report.add_figures("memory", _idle(ways, report), names, ours.GRPC)
        if asked := chosen(Questions(report.seconds).rows(), report.rows):
            found = rounds(asked, ways, report.rounds, tell)
            report.add("queries and results", Results(added(found.figures), found.failures), names, DIRECT)


def _built(stage: Stage, report: Report) -> list[Access]:
    """The ways that stand; the report learns why the others do not."""
    found: list[Access] = []
    for name, build in WAYS.items():
        tell(f"starting {name}")
        try:
            found += build(stage)
        except MissingWayError as reason:
            report.missing(name, reason)
    return found


def _idle(ways: Sequence[Access], report: Report) -> list[Figure]:
    found: list[Figure] = []
    for each in (each for each in ways if each.name in IDLE):
        tell(f"idle sessions: {each.name}")
        try:
            found += idle(each)
        except MeasureError as error:
            report.missing(f"idle sessions, {each.name}", error)
    return found


if __name__ == "__main__":
    main()
