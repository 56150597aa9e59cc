"""What holds for every command: it explains itself, answers programs, and starts quickly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from penstock.cli.lazy import LazyGroup
from penstock.cli.root import root

HEAVY = (
    "httpx",
    "fastapi",
    "sqlalchemy",
    "rich",
    "psycopg",
    "keyring",
    "tomlkit",
    "penstock._core",
    "penstock.app",
)


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command below a group, groups included."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands(root))
LEAVES = {path: command for path, command in ALL.items() if not isinstance(command, click.Group)}


def test_the_surface_is_the_agreed_one() -> None:
    top = {path[0] for path in ALL}
    assert top >= {
        "start",
        "demo",
        "setup",
        "login",
        "logout",
        "list",
        "describe",
        "connect",
        "exec",
        "sessions",
        "admin",
        "status",
        "pki",
    }
    assert {path[1] for path in ALL if path[0] == "sessions" and len(path) > 1} == {
        "list",
        "get",
        "replay",
        "verify",
        "kill",
        "key",
    }
    assert {path[1] for path in ALL if path[0] == "pki" and len(path) > 1} == {
        "init",
        "issue",
        "revoke",
        "list",
    }
    assert {path[1] for path in ALL if path[0] == "egress" and len(path) > 1} == {"check", "explain", "key"}
    for verb in ("create", "get", "delete"):
        assert {path[2] for path in ALL if path[:2] == ("admin", verb) and len(path) > 2} == {
            "agent",
            "app",
            "connection",
            "user",
            "group",
            "service-account",
        }
    assert {path[1] for path in ALL if path[0] == "start" and len(path) > 1} == {
        "gateway",
        "agent",
        "standalone",
        "worker",
        "proxy",
        "egress",
    }


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_examples_and_an_output_option(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert f"penstock {' '.join(path)}" in (command.help or "")
    output = next(param for param in command.params if param.name == "output")
    assert isinstance(output.type, click.Choice)
    assert {"table", "json"} <= set(output.type.choices)


@pytest.mark.parametrize("path", [(), *ALL], ids=" ".join)
def test_the_tables_tell_what_the_commands_tell(path: tuple[str, ...]) -> None:
    group = ALL[path] if path else root
    if isinstance(group, LazyGroup):
        for name, entry in group.table.items():
            first = (ALL[*path, name].help or "").split("\n")[0]
            assert entry.summary.rstrip(".").split(",")[0] in first


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["admin", "--help"], ["exec", "--help"]])
def test_help_imports_nothing_that_takes_time(arguments: list[str]) -> None:
    script = (
        "import sys\nfrom penstock.cli.run import run\ncode = run(sys.argv[1:])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
    assert "penstock" in done.stdout


@pytest.mark.parametrize(
    ("words", "index", "found"),
    [
        ("penstock ses", 1, "sessions"),
        ("penstock admin create connection --ty", 4, "--type"),
        ("penstock x ", 2, ""),
    ],
)
def test_shells_can_complete(words: str, index: int, found: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock"],
        env={
            **os.environ,
            "_PENSTOCK_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(index),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert found in done.stdout
