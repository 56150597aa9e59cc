"""The forward proxy's configuration, from the command line."""

from __future__ import annotations

import hashlib
import tomllib
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Shell


def test_a_keys_hash_is_ready_for_the_configuration(shell: Shell) -> None:
    made = shell("egress", "key", "my ci", "-o", "json").json
    assert made["key"].startswith("pse_") and made["name"] == "my ci"
    assert made["hash"] == "sha256:" + hashlib.sha256(made["key"].encode()).hexdigest()
    out = shell("egress", "key", "my ci").out
    lines = [line.partition(":   ")[2] or line.strip() for line in out.splitlines()]
    table = tomllib.loads("\n".join(line.strip() for line in lines if "caller" in line or "keys" in line))
    assert list(table["caller"]) == ["my ci"]
    assert "http://my%20ci:pse_" in out


def test_a_name_that_no_credential_can_say_is_refused(shell: Shell) -> None:
    result = shell("egress", "key", "a:b")
    assert (result.code, "cannot be a name" in result.err) == (2, True)


def test_what_is_wrong_is_told_with_its_line(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "egress.toml"
    path.write_text("[dns]\nmax_host = 1\n")
    for command in (("check",), ("explain", "https://example.com")):
        result = shell("egress", command[0], "--config", str(path), *command[1:])
        assert result.code == 1
        assert result.err == f"error: {path}:2: dns.max_host is not known\nhint: did you mean max_hosts?\n"


def test_the_file_may_be_named_by_the_environment(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGRESS_CONFIG", str(tmp_path / "none.toml"))
    result = shell("egress", "check")
    assert (result.code, "none.toml" in result.err) == (1, True)
