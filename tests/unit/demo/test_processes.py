"""The demo's children: watched, ended, and never left behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from penstock.cli.errors import Refusal
from penstock.demo.ending import Ending
from penstock.demo.leftovers import Register, only_one
from penstock.demo.processes import Child, Processes

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
NOTING = """
import signal, sys, time
def end(*_):
    with open({file!r}, "a") as file:
        file.write({name!r})
    sys.exit()
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
time.sleep(600)
"""


def python(processes: Processes, code: str) -> Child:
    return processes.start("child", [sys.executable, "-c", code])


def is_up(child: Child) -> bool:
    return "up" in child.tail()


def test_a_child_that_ends_is_told_with_the_end_of_its_log(processes: Processes) -> None:
    child = python(processes, "import sys; print('line\\n' * 50 + 'the reason'); sys.exit(3)")
    with pytest.raises(Refusal, match=r"(?s)ended with exit code 3.*the reason") as caught:
        child.wait_until("it is ready", lambda: False, 60)
    assert caught.value.message.count("line") == 11
    assert str(child.log) in str(caught.value.hint)


def test_a_child_that_was_killed_is_told_by_its_signal(processes: Processes) -> None:
    child = python(processes, "import time; time.sleep(600)")
    child.process.kill()
    with pytest.raises(Refusal, match="ended by signal SIGKILL"):
        child.wait_until("it is ready", lambda: False, 60)


def test_waiting_is_bounded(processes: Processes) -> None:
    child = python(processes, STUBBORN)
    with pytest.raises(Refusal, match="not so after 0 s: it is ready"):
        child.wait_until("it is ready", lambda: False, 0)


def test_a_child_that_does_not_listen_is_killed(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.demo.processes._STOP_SECONDS", 0.1)
    child = python(processes, STUBBORN)
    child.wait_until("it is up", lambda: is_up(child), 60)
    processes.stop()
    assert child.process.returncode == -signal.SIGKILL


def test_they_end_in_the_reverse_order(tmp_path: Path, processes: Processes) -> None:
    for name in ("first", "second"):
        code = NOTING.format(file=str(tmp_path / "order"), name=f"{name} ")
        child = processes.start(name, [sys.executable, "-c", code])
        child.wait_until("it is up", partial(is_up, child), 60)
    processes.stop()
    assert (tmp_path / "order").read_text() == "second first "


def test_logs_are_private_and_the_terminal_is_not_shared(processes: Processes) -> None:
    child = python(processes, "import os; print('up', os.getsid(0) == os.getpid())")
    child.process.wait(60)
    assert child.tail() == "up True"
    assert stat.S_IMODE(child.log.stat().st_mode) == 0o600


def test_one_that_died_is_noticed(processes: Processes) -> None:
    child = python(processes, "pass")
    child.process.wait(60)
    with pytest.raises(Refusal, match="ended with exit code 0"):
        processes.require_running()


def test_what_a_killed_demo_left_is_ended(tmp_path: Path, processes: Processes) -> None:
    child = python(processes, "print('up', flush=True); import time; time.sleep(600)")
    child.wait_until("it is up", lambda: is_up(child), 60)
    later = Register(tmp_path / "processes.json")
    assert later.end_leftovers() == ["child"]
    assert not psutil.pid_exists(child.process.pid)
    assert Register(tmp_path / "processes.json").end_leftovers() == []


def test_a_process_that_got_an_old_number_is_left_alone(tmp_path: Path) -> None:
    me = {"pid": os.getpid(), "created": psutil.Process().create_time() - 100, "stop": int(signal.SIGKILL)}
    gone = {"pid": 2**22 - 1, "created": 1.0, "stop": int(signal.SIGKILL)}
    (tmp_path / "processes.json").write_text(json.dumps({"me": me, "gone": gone}))
    assert Register(tmp_path / "processes.json").end_leftovers() == []


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', '{"a": {"pid": "x"}}'])
def test_a_broken_register_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "processes.json").write_text(text)
    with pytest.raises(Refusal, match=r"processes\.json cannot be read"):
        Register(tmp_path / "processes.json")


def test_one_demo_per_home(tmp_path: Path) -> None:
    lock = tmp_path / "home" / "demo.lock"
    with (
        only_one(lock),
        pytest.raises(Refusal, match=f"running already .process {os.getpid()}"),
        only_one(lock),
    ):
        pass
    with only_one(lock):
        """It is free again."""


def test_children_do_not_keep_the_lock(tmp_path: Path, processes: Processes) -> None:
    with only_one(tmp_path / "demo.lock"):
        python(processes, "import time; time.sleep(600)")
    with only_one(tmp_path / "demo.lock"):
        """The child lives, and the lock is free."""


def interrupted(number: int) -> bool:
    ending = Ending()
    try:
        with ending.watched():
            os.kill(os.getpid(), number)
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_every_signal_that_asks_to_end_is_one_interruption(number: int) -> None:
    before = signal.getsignal(number)
    assert interrupted(number)
    assert signal.getsignal(number) is before


def test_an_interruption_waits_while_it_is_held() -> None:
    ending, reached = Ending(), False
    with pytest.raises(KeyboardInterrupt), ending.watched(), ending.held():
        os.kill(os.getpid(), signal.SIGTERM)
        reached = True
    assert reached


def test_nothing_interrupts_the_cleaning_up() -> None:
    ending = Ending()
    with ending.watched():
        ending.begin()
        os.kill(os.getpid(), signal.SIGINT)


def test_a_program_that_is_not_there_leaves_nothing(processes: Processes, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        processes.start("nothing", ["/does/not/exist"])
    processes.stop()
    assert (
        not (tmp_path / "processes.json").exists()
        or Register(tmp_path / "processes.json").end_leftovers() == []
    )
