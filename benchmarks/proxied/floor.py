"""What a load balancer leaves of sessions, beside what it leaves of an echo: the floor."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.measure.added import DIRECT
from benchmarks.measure.figure import Figure
from benchmarks.measure.table import lines, ratio

UNIT = "of the echo's share"


def shares(sessions: Sequence[Figure], echoes: Sequence[Figure], ways: Sequence[str]) -> list[Figure]:
    """For each row and load balancer the session's ratio to the direct path, divided by the echo's.

    1 is the floor: the load balancer costs a session what it costs plain gRPC of the same bytes. A row that
    either has no ratio for is left out.
    """
    floor = lines(echoes)
    found: list[Figure] = []
    for (row, unit), own in lines(sessions).items():
        for way in (each for each in ways if each != DIRECT):
            ours, theirs = ratio(own, way, DIRECT), ratio(floor.get((row, unit), []), way, DIRECT)
            if ours is not None and theirs:
                found.append(Figure(f"{row}: {unit}", UNIT, way, 0, ours / theirs))
    return found
