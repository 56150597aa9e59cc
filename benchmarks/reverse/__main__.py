"""`make bench-reverse`: everything in one run, on this machine's loopback alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from benchmarks.measure.figure import Figure, MeasureError, MissingWayError
from benchmarks.measure.origin import Tls, origin
from benchmarks.measure.report import Report, options, tell
from benchmarks.measure.rounds import chosen, rounds
from benchmarks.reverse import asgi, ours, peers
from benchmarks.reverse.links import LINKS, idle
from benchmarks.reverse.rows import Questions
from benchmarks.reverse.stage import Certificates, Published, Stage
from tests.e2e.stack.cli import Cli
from tests.e2e.stack.peers import Peers, cache
from tests.e2e.stack.pki import Pki
from tests.e2e.stack.processes import Processes

HAPROXY = "HAProxy rhttp"
PENSTOCK = "penstock"

Build = Callable[[Stage], Published]

FILES: dict[str, Build] = {
    "direct": lambda stage: Published("direct", (), stage.origin.port),
    "nginx plain": peers.plain_nginx,
    "HAProxy plain": peers.plain_haproxy,
    HAPROXY: partial(peers.both_ends, name=HAPROXY),
    "HAProxy + worker": partial(ours.behind_haproxy, name="HAProxy + worker"),
    PENSTOCK: partial(ours.both_ends, name=PENSTOCK),
}
"""The ways to the origin's files."""

APPLICATION: dict[str, Build] = {
    asgi.GRANIAN: asgi.granian,
    asgi.UVICORN: asgi.uvicorn,
    "HAProxy + ASGI worker": partial(ours.application_behind_haproxy, name="HAProxy + ASGI worker"),
    "penstock ASGI": partial(ours.application, name="penstock ASGI"),
}
"""The ways to the application."""


@click.command()
@options
def main(report: Report) -> None:
    """Measures published requests through Penstock beside HAProxy, nginx, granian and uvicorn."""
    with (
        tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder,
        report.running("benchmarks.reverse"),
    ):
        _measure(Path(folder), report)


def _measure(folder: Path, report: Report) -> None:
    foreign = Peers(cache(), tell)
    foreign.bring()
    with Processes(folder / "logs") as processes:
        certificates = Certificates.issued(Pki(Cli(folder / "home", processes)))
        shown = Tls(certificates.edge.cert, certificates.edge.key)
        upstream = origin(foreign, folder / "origin", processes, shown)
        stage = Stage(folder, processes, foreign, certificates, upstream)
        questions = Questions(foreign, report.seconds)
        for title, builds, rows, base in (
            ("files of an origin", FILES, questions.files(), HAPROXY),
            ("an ASGI application that answers 1 KiB", APPLICATION, questions.small(), asgi.GRANIAN),
        ):
            if asked := chosen(rows, report.rows):
                ways = _built(builds, stage, report)
                results = rounds(asked, ways, report.rounds, tell)
                report.add(title, results, [way.name for way in ways], base)
        if report.wants("idle links"):
            report.add_figures("memory", _memory(stage, report), [HAPROXY, PENSTOCK], HAPROXY)


def _built(builds: dict[str, Build], stage: Stage, report: Report) -> list[Published]:
    """The ways that stand and answer; the report learns why the others do not."""
    found: list[Published] = []
    for name, build in builds.items():
        tell(f"starting {name}")
        try:
            way = build(stage)
            way.check()
        except MissingWayError as reason:
            report.missing(name, reason)
        else:
            found.append(way)
    return found


def _memory(stage: Stage, report: Report) -> list[Figure]:
    found: list[Figure] = []
    url = f"http://127.0.0.1:{stage.origin.port}"
    for name, edge, dial in (
        (HAPROXY, partial(peers.haproxy_edge, stage, "idle"), partial(peers.device, stage)),
        (PENSTOCK, partial(ours.proxy, stage, "idle"), partial(ours.worker, stage, what=url)),
    ):
        tell(f"{LINKS} idle links: {name}")
        try:
            value = idle(edge(), dial)
        except (MissingWayError, MeasureError) as error:
            report.missing(f"{LINKS} idle links, {name}", error)
        else:
            found.append(Figure(f"{LINKS} idle links", "KiB each", name, 0, value))
    return found


if __name__ == "__main__":
    main()
