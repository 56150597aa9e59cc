"""The doctor where nothing is in between, and where nobody is."""

from __future__ import annotations

import socket

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.examined import Subject, examined
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.stack import AGENT, Stack


def test_a_user_who_is_well_opens_no_session(stack: Stack) -> None:
    before = stack.api.get("sessions", limit=200)["items"]

    done = stack.cli.run("doctor", "-o", "json", "--idle", "0.1")

    found = examined(done.code, done.json)
    assert found.code == 0, found
    assert {check["status"] for check in found.checks.values()} == {"ok"}, found
    assert stack.api.get("sessions", limit=200)["items"] == before


def test_an_agent_that_is_well_takes_no_link(stack: Stack, subject: Subject) -> None:
    links = stack.gateway.admin("config_dump").json()

    found = subject.examine(stack.keys[AGENT], TLS_CA="")

    assert found.code == 0, found
    not_run = {name for name, check in found.checks.items() if check["status"] == "not-run"}
    assert not_run == {"api", "idle", "silent"}
    assert stack.gateway.admin("config_dump").json() == links


def test_people_read_lines_without_colours(stack: Stack) -> None:
    lines = stack.cli.ok("doctor").splitlines()

    assert [line.split()[1] for line in lines[:3]] == ["name", "tcp", "tls"]
    assert not any("\x1b" in line for line in lines)


def test_a_name_that_is_none(subject: Subject) -> None:
    found = subject.examine(subject.key(443, host="nowhere.invalid"))

    assert (found.failed, found.diagnosis("name")) == (["name"], "unknown-name")
    assert {check["status"] for name, check in found.checks.items() if name != "name"} == {"not-run"}


def test_a_port_that_is_closed(subject: Subject) -> None:
    found = subject.examine(subject.key(free_port()))

    assert (found.failed, found.diagnosis("tcp")) == (["tcp"], "nobody-listens")


def test_a_port_that_drops_what_comes(subject: Subject) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        # Linux drops what comes when nobody accepts and the queue, of one more than asked for, is full.
        with socket.create_connection(("127.0.0.1", port)):
            found = subject.examine(subject.key(port, host="127.0.0.1"), "--timeout", "1")

    assert (found.failed, found.diagnosis("tcp")) == (["tcp"], "firewall")


def test_a_key_that_is_wrong(stack: Stack, subject: Subject) -> None:
    wrong = stack.keys[AGENT].replace(subject.secret, "x" * len(subject.secret))

    found = subject.examine(wrong, TLS_CA="")

    assert (found.failed, found.diagnosis("credential")) == (["credential"], "credential-refused")


def test_frames_are_shown_without_what_they_hold(stack: Stack, subject: Subject) -> None:
    variables = {"AGENT_KEY": stack.keys[AGENT], "LOG_GRPC": "1"}
    doctor = Cli(subject.home, subject.processes, variables)

    by_setting = doctor.run("doctor", "-e", "AGENT_KEY")
    by_option = stack.cli.run("doctor", "--debug-grpc")

    for done, secret in ((by_setting, subject.secret), (by_option, stack.api.token or "")):
        assert done.code == 0, done
        assert 'frame sent kind="SETTINGS"' in done.err
        assert 'frame received kind="DATA"' in done.err
        assert secret and secret not in done.err + done.out
    assert "frame" not in stack.cli.run("doctor").err
