"""A stream through everything to the gateway, by the code that links are made of, and back."""

from statistics import median

from penstock.doctor.examination import Examination
from penstock.doctor.finding import CheckError, Finding
from penstock.domain.errors import PenstockError
from penstock.engine.probe import Carried

MESSAGE_BYTES = 16 * 1024 * 1024
MESSAGE_SECONDS = 120.0

_ROUNDS = 10
_MIB = 1024 * 1024


def round_trip(examination: Examination) -> Finding:
    """What a byte takes there and back."""
    try:
        times = examination.probe.round_trips(_ROUNDS, examination.timeout_seconds)
    except PenstockError as error:
        raise CheckError(error.message, {"stream": error.message}) from error
    return Finding(f"{median(times) * 1000:.1f} ms, at worst {max(times) * 1000:.1f} ms")


def message(examination: Examination) -> Finding:
    """Whether 16 MiB go there and come back."""
    carried = examination.probe.message(MESSAGE_BYTES, MESSAGE_SECONDS)
    if carried.error is None:
        return Finding(f"16 MiB there and back, {16 / carried.seconds:.0f} MiB/s")
    sent = f"{carried.sent / _MIB:.1f} of 16 MiB"
    facts = {"stream": carried.error.message, "sent": str(carried.sent), "received": str(carried.received)}
    raise CheckError(f"cut after {sent}: {carried.error.message}", facts)


def idle(examination: Examination) -> Finding:
    """Whether a stream that nobody uses stays, as long as both sides send PINGs."""
    seconds, patient = examination.idle_seconds, examination.patient
    held = examination.probe.idle(seconds, seconds + examination.timeout_seconds, keepalive=True)
    if held.error is None:
        return Finding(
            f"held for {seconds:g} s, PINGs from here after {patient.keepalive_seconds} s of silence"
        )
    raise CheckError(_cut(held), _facts(held))


def silent(examination: Examination) -> Finding:
    """Whether it stays without PINGs: what is in between then shows its time limits."""
    seconds = examination.idle_seconds
    held = examination.probe.idle(seconds, seconds + examination.timeout_seconds, keepalive=False)
    if held.error is None:
        return Finding(f"held for {seconds:g} s without a byte")
    raise CheckError(_cut(held), _facts(held), grave=False)


def _cut(held: Carried) -> str:
    why = "" if held.error is None else held.error.message
    return f"cut after {held.seconds:.0f} s: {why}"


def _facts(held: Carried) -> dict[str, str]:
    return {"stream": "" if held.error is None else held.error.message, "after": f"{held.seconds:.0f}"}
