"""Errors: their words, their JSON, their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from penstock.cli.errors import Refusal, colours, report
from penstock.domain.errors import not_found

from tests.unit.cli.conftest import Shell


def test_without_a_command_it_shows_its_help(shell: Shell) -> None:
    result = shell()
    assert result.code == 2
    assert "Usage: penstock" in result.err


def test_an_unknown_command_is_a_usage_error_that_names_the_nearest(shell: Shell) -> None:
    result = shell("sesions")
    assert result.code == 2
    assert result.err == "error: No such command 'sesions'. Did you mean 'sessions'?\nhint: penstock --help\n"


def test_a_usage_error_names_the_command_whose_help_explains_it(shell: Shell) -> None:
    result = shell("admin", "create", "connection", "db")
    assert result.code == 2
    assert "--type" in result.err
    assert "hint: penstock admin create connection --help" in result.err


def test_a_refusal_is_exit_code_1_with_error_and_hint_on_stderr(shell: Shell) -> None:
    result = shell("list")
    assert (result.code, result.out) == (1, "")
    assert result.err == "error: You are not logged in.\nhint: Run: penstock login\n"


def test_with_json_an_error_is_a_problem_document_on_stderr(shell: Shell) -> None:
    result = shell("list", "-o", "json")
    assert (result.code, result.out) == (1, "")
    problem = json.loads(result.err)
    assert (problem["code"], problem["side"], problem["hint"]) == (
        "unauthenticated",
        "client",
        "Run: penstock login",
    )


def test_a_usage_error_is_a_problem_document_too(shell: Shell) -> None:
    result = shell("sessions", "list", "-o", "json", "--limit", "0")
    assert result.code == 2
    assert json.loads(result.err)["code"] == "usage"


def test_an_error_of_the_domain_keeps_its_words(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise not_found("recording", "x", hint="look elsewhere")

    monkeypatch.setattr("penstock.cli.config.load", refuse)
    result = shell("list", "-o", "json")
    assert result.code == 1
    assert json.loads(result.err) == {
        "type": "about:blank",
        "detail": "there is no recording 'x'",
        "code": "not-found",
        "side": "client",
        "hint": "look elsewhere",
    }


def test_an_error_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(Refusal("evil \x1b]0;title\x07", hint="\x9b31m"), as_json=False)
    assert capsys.readouterr().err == "error: evil \\x1b]0;title\\x07\nhint: \\x9b31m\n"


def test_a_file_that_cannot_be_written_is_named(shell: Shell) -> None:
    shell.home.write_text("a file where the home folder should be")
    result = shell("login", "--api-url", "https://x.test", "--email", "a@b", "--password-stdin", stdin="pw\n")
    assert result.code == 1
    assert str(shell.home) in result.err


def test_colours_need_a_terminal_and_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert colours(True)
    assert not colours(False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours(True)


def test_a_reader_that_went_away_ends_it_quietly() -> None:
    script = "import sys\nfrom penstock.cli import main\nsys.argv = ['penstock', '--help']\nmain()"
    command = f'{sys.executable} -c "{script}" | true; echo ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() in ("0", "1")


def test_other_click_errors_are_told_too(capsys: pytest.CaptureFixture[str]) -> None:
    report(click.FileError("x.sql", "gone"), as_json=False)
    assert capsys.readouterr().err.startswith("error: Could not open file 'x.sql'")
