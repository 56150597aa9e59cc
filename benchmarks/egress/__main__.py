"""`make bench-egress`: everything in one run, on this machine's loopback alone."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from benchmarks.egress import envoy, ours, peers
from benchmarks.egress.idle import tunnels
from benchmarks.egress.rows import Questions
from benchmarks.egress.stage import TUNNELS, Forward, Stage, room_for
from benchmarks.measure.added import DIRECT, added
from benchmarks.measure.figure import Figure, MeasureError, MissingWayError
from benchmarks.measure.origin import Tls, origin
from benchmarks.measure.report import Report, options, tell
from benchmarks.measure.rounds import Results, chosen, rounds
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.processes import Processes

WAYS: dict[str, Callable[[Stage], Forward]] = {
    DIRECT: lambda _stage: Forward(DIRECT, ()),
    envoy.ENVOY: envoy.envoy,
    "squid": peers.squid,
    "tinyproxy": peers.tinyproxy,
    "penstock": partial(ours.bare, name="penstock"),
    "penstock whole": partial(ours.whole, name="penstock whole"),
}


@click.command()
@options
def main(report: Report) -> None:
    """Measures requests and tunnels through Penstock beside Envoy, squid and tinyproxy."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with report.running("benchmarks.egress"), tempfile.TemporaryDirectory(prefix="penstock-") as folder:
        _measure(Path(folder), report)


def _measure(folder: Path, report: Report) -> None:
    tools = Peers(cache(), tell)
    proxies = Peers(cache() / "forward", tell, peers.PACKAGES)
    for each in (tools, proxies):
        each.bring()
    with Processes(folder / "logs") as processes:
        issued = Pki(Cli(folder / "home", processes)).server("origin")
        shown = Tls(issued.cert, issued.key)
        stage = Stage(folder, processes, proxies, origin(tools, folder / "origin", processes, shown))
        ways = _built(stage, report)
        names = [way.name for way in ways]
        if report.wants("idle tunnels"):
            report.add_figures("memory", _idle(stage, ways, report), names, envoy.ENVOY)
        rows = Questions(tools, stage.origin, report.seconds).rows()
        if asked := chosen(rows, report.rows):
            found = rounds(asked, ways, report.rounds, tell)
            report.add(
                "requests and tunnels", Results(added(found.figures), found.failures), names, envoy.ENVOY
            )


def _built(stage: Stage, report: Report) -> list[Forward]:
    """The ways that stand and answer; the report learns why the others do not."""
    found: list[Forward] = []
    for name, build in WAYS.items():
        tell(f"starting {name}")
        try:
            way = build(stage)
            way.check(stage.origin)
        except MissingWayError as reason:
            report.missing(name, reason)
        else:
            found.append(way)
    return found


def _idle(stage: Stage, ways: Sequence[Forward], report: Report) -> list[Figure]:
    most = room_for(TUNNELS)
    found: list[Figure] = []
    for way in ways:
        if way.port is None or way.only_tls:
            continue
        tell(f"idle tunnels: {way.name}")
        try:
            found += tunnels(way, stage.origin.port, [TUNNELS // 2, most])
        except MeasureError as error:
            report.missing(f"idle tunnels, {way.name}", error)
    return found


if __name__ == "__main__":
    main()
