"""`penstock doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from textwrap import wrap
from typing import TYPE_CHECKING

import click

from penstock.cli.debug import debug_options, start_logging
from penstock.cli.errors import FAILED, colours, told_by_domain
from penstock.cli.output import output_option, write_json
from penstock.cli.state import State
from penstock.cli.text import clean
from penstock.cli.types import Json

if TYPE_CHECKING:
    from penstock.doctor.finding import Result
    from penstock.doctor.patient import Patient

_MARKS = {"ok": ("✓", "green"), "warned": ("!", "yellow"), "failed": ("✗", "red"), "not-run": ("–", "")}  # noqa: RUF001
_NAME, _TIME, _WIDTH = 11, 8, 96
GUIDE = "docs/reference/diagnoses.md"
"""Where every diagnosis is told at length."""


@click.command()
@click.option(
    "--key", metavar="KEY", help="Look at an agent's way, with this key. Others may see it: better -e."
)
@click.option("-e", "--env", metavar="NAME", help="The same with the key in this variable, as PENSTOCK_KEY.")
@click.option(
    "--idle",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="Hold silent streams for so long, too; 70 shows the time limits of most balancers.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 300),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long each check may take.",
)
@debug_options
@output_option()
@click.pass_obj
def doctor(state: State, key: str | None, env: str | None, idle: float, timeout: float) -> int:
    """Look at the way to the gateway, and say what is wrong and which line mends it.

    Without an agent's key it is the way of this machine's login. What stands between is told by how it fails:
    for each failure the likely cause, and what to change in nginx, HAProxy, Envoy or ALB. No session opens.

    The exit code is 1 if a check failed. A warning (!) is no failure.

    \b
    Examples:
      penstock doctor
      penstock doctor --idle 70
      PENSTOCK_KEY=grpcs://NAME:SECRET@gateway.example.com:8010 penstock doctor -e PENSTOCK_KEY
      penstock doctor -o json
    """
    from penstock.doctor.checks import STAGES
    from penstock.doctor.diagnoses import diagnose
    from penstock.doctor.examination import Examination, examine
    from penstock.domain.errors import PenstockError
    from penstock.engine.probe import Probe

    start_logging(state)
    try:
        patient = _patient(state, key, env)
        examination = Examination(patient, Probe(patient.as_shape()), timeout, idle)
    except PenstockError as error:
        raise told_by_domain(error) from None
    results = examine(examination, STAGES, diagnose)
    return FAILED if _tell(state, patient, results) else 0


def _patient(state: State, key: str | None, env: str | None) -> Patient:
    if key and env:
        raise click.UsageError("--key and --env exclude each other.")
    if env and not os.environ.get(env):
        raise click.UsageError(f"--env: the variable {env} is not set.")
    if key or env:
        from penstock.doctor.patient import agent
        from penstock.settings import load

        return agent(load({"PENSTOCK_KEY": key or os.environ.get(env or "")}))
    return _user(state)


def _user(state: State) -> Patient:
    from penstock.cli import config as configs
    from penstock.cli.client import require_token
    from penstock.cli.trust import context_of
    from penstock.cli.tunnel import link_settings
    from penstock.doctor.patient import Api, Patient

    config = configs.load(state.home)
    link = link_settings(config, require_token(state, config))
    trust = context_of(config.ca_file) if config.api_url.startswith("https://") else None
    return Patient(link, link.pop("token"), api=Api(config.api_url, trust))


def _tell(state: State, patient: Patient, results: Iterable[Result]) -> bool:
    """Writes every result; says whether one of them is a failure."""
    shapes, failed = [], False
    for result in results:
        failed |= result.status == "failed"
        if state.json:
            shapes.append(_shape(result))
        else:
            _line(result)
    if state.json:
        write_json({"url": patient.url, "agent": patient.agent, "ok": not failed, "checks": shapes})
    return failed


def _line(result: Result) -> None:
    mark, colour = _MARKS[result.status]
    click.secho(f"{mark} ", fg=colour or None, nl=False, color=colours(sys.stdout.isatty()))
    time = "" if result.seconds is None else _duration(result.seconds)
    prefix = "not run: " if result.status == "not-run" else ""
    click.echo(f"{result.check:{_NAME}} {time:>{_TIME}}  {prefix}{clean(result.detail)}")
    if result.diagnosis is None:
        return
    _advice("cause", wrap(result.diagnosis.cause, _WIDTH))
    for place, lines in result.diagnosis.lines.items():
        _advice(place, lines)
    _advice("more", [f"{GUIDE}#{result.diagnosis.name}"])


def _advice(label: str, lines: Iterable[str]) -> None:
    for line in lines:
        click.secho(f"    {label:{_NAME - 2}} ", nl=False, fg="cyan", color=colours(sys.stdout.isatty()))
        click.echo(clean(line))
        label = ""


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.0f} s"


def _shape(result: Result) -> dict[str, Json]:
    diagnosis = result.diagnosis
    told = diagnosis and {
        "name": diagnosis.name,
        "cause": diagnosis.cause,
        "lines": {place: list(lines) for place, lines in diagnosis.lines.items()},
    }
    return {
        "check": result.check,
        "status": str(result.status),
        "seconds": None if result.seconds is None else round(result.seconds, 6),
        "detail": result.detail,
        "diagnosis": told,
    }
