"""The other side's clock."""

from datetime import timedelta

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding

_MOST_SECONDS = 60.0


def compare(examination: Examination) -> Finding:
    """How far it is from ours, by the `Date` of its answer."""
    skew = examination.skew_seconds
    if skew is None:
        raise CheckError("no answer told its time (Date)", {"date": "none"}, grave=False)
    told = f"the other side is {timedelta(seconds=round(abs(skew)))} {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > _MOST_SECONDS:
        raise CheckError(told, {"skew": f"{skew:.0f}"})
    return Finding(told if abs(skew) >= 1 else "alike")
