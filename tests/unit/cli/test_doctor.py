"""`doctor` and the debugging options, as far as they need no network."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.cli.debug import role_settings
from penstock.cli.run import run
from penstock.cli.state import State

SECRET = "psa_0123456789"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> State:
    """Nobody is logged in."""
    for name in ("PENSTOCK_TOKEN", "PENSTOCK_KEY", "HOOP_KEY", "HOOP_DSN", "LOG_LEVEL", "LOG_GRPC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PENSTOCK_HOME", str(tmp_path))
    return State(home=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--key", "k", "-e", "KEY"], "exclude each other"),
        (["-e", "NO_SUCH_VARIABLE"], "NO_SUCH_VARIABLE is not set"),
        (["--idle", "-1"], "--idle"),
        (["--timeout", "0"], "--timeout"),
    ],
)
def test_what_is_asked_wrongly(
    state: State, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["doctor", *arguments], state) == 2
    assert words in capsys.readouterr().err


def test_without_a_login_it_says_so(state: State, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"], state) == 1
    assert "penstock login" in capsys.readouterr().err


@pytest.mark.parametrize("key", [f"ftp://office:{SECRET}@gw:1", f"grpcs://office:{SECRET}@", "tls://gw:8443"])
def test_a_key_that_is_none_is_not_shown(
    state: State, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("KEY", key)
    assert run(["doctor", "-e", "KEY"], state) == 1
    told = capsys.readouterr()
    assert "error:" in told.err
    assert SECRET not in told.err + told.out


def test_debugging_is_a_setting_of_roles(state: State) -> None:
    assert role_settings(state) == ()
    state.debug.update({"debug", "debug_grpc"})
    (settings,) = role_settings(state)
    assert (settings.log_level, settings.log_grpc) == ("DEBUG", True)
