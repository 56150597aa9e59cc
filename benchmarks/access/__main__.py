"""`make bench-access`: everything in one run, on this machine's loopback alone."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from types import FrameType

import click

from benchmarks.access.database import database, way
from benchmarks.access.memory import SESSIONS, idle
from benchmarks.access.ours import penstock
from benchmarks.access.peers import MissingPeerError, haproxy, ssh
from benchmarks.access.rounds import Figure, rounds
from benchmarks.access.table import added, ratios, render, rows
from benchmarks.access.way import DIRECT, Way
from benchmarks.measure.machine import describe
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Processes


@click.command()
@click.option("-o", "output", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.option("--rounds", "count", type=click.IntRange(1, 9), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1, 30), default=3, show_default=True, help="Of each pgbench.")
@click.option("--save", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON here too.")
def main(output: str, count: int, seconds: int, save: Path | None) -> None:
    """Measures sessions through Penstock beside the direct path, HAProxy and ssh -L."""
    signal.signal(signal.SIGTERM, _interrupt)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        found = _measure(Path(folder), count, seconds)
    found["load_after"] = os.getloadavg()[0]
    found["minutes"] = round((time.monotonic() - start) / 60, 1)
    text = json.dumps(found, indent=1, ensure_ascii=False)
    if save:
        save.write_text(text + "\n", "utf-8")
    click.echo(text if output == "json" else found["table"])


def _measure(folder: Path, count: int, seconds: int) -> dict[str, object]:
    about = describe("benchmarks.access")
    with ExitStack() as exits:
        processes = exits.enter_context(Processes(folder / "logs"))
        _tell("starting PostgreSQL, the peers and Penstock")
        server = exits.enter_context(database(folder / "postgres", processes))
        peers, missing = _peers(folder, processes, server)
        ours = exits.enter_context(penstock(folder / "penstock", server))
        ways = [way(server), *peers, *ours.ways]
        _tell(f"{SESSIONS} idle sessions")
        memory = idle(ours.ways[0], ours.processes)
        figures = list(rounds(ways, count, seconds, _tell))
    return {**about, "version": ours.version, **_summary(about, figures, memory, missing)}


def _peers(folder: Path, processes: Processes, server: Postgres) -> tuple[list[Way], dict[str, str]]:
    """The peers that are there, and why the others are not."""
    found: list[Way] = []
    missing: dict[str, str] = {}
    for name, start in (("HAProxy tcp", haproxy), ("ssh -L", ssh)):
        try:
            found.append(way(server, name, start(folder / name.split()[0].lower(), processes, server.port)))
        except MissingPeerError as reason:
            missing[name] = str(reason)
    return found, missing


def _summary(
    about: dict[str, object], figures: list[Figure], memory: dict[str, float], missing: dict[str, str]
) -> dict[str, object]:
    found = rows(figures)
    ways = [name for name in next(iter(found.values())) if name != DIRECT]
    kib = ", ".join(f"{name} {value:.1f}" for name, value in memory.items())
    notes = [
        f"{about['taken_at']}, commit {about['commit']}, {about['cores']} cores, {about['processor']}",
        f"load before: {about['load_before']:.2f}; native module: {about['build']}",
        "Column direct in the row's own unit; µs as what is added; all else as the ratio to direct.",
        "",
        render(found, ways),
        "",
        f"memory per idle session at {SESSIONS}, KiB: {kib}",
        *(f"not measured: {name}: {reason}" for name, reason in missing.items()),
    ]
    return {
        "table": "\n".join(notes),
        "ratios": {name: ratios(row) for name, row in found.items() if not name.endswith("µs")},
        "added_microseconds": {name: added(row) for name, row in found.items() if name.endswith("µs")},
        "idle_session_kib": memory,
        "not_measured": missing,
        "figures": [asdict(figure) for figure in figures],
    }


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM ends the run as Ctrl-C does: in order."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
