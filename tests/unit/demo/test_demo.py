"""The demo's smaller decisions: ports, names, keys, passwords, lines."""

from __future__ import annotations

import shlex
import socket
import stat
from pathlib import Path

import pytest
from penstock.cli.errors import Refusal
from penstock.demo.gateway import environment, moved
from penstock.demo.listen import chosen
from penstock.demo.secrets import Secrets
from penstock.demo.steps import Steps
from penstock.demo.words import commands, farewell, offline, recording


def test_it_listens_on_this_machine_only_unless_told_otherwise() -> None:
    assert chosen({}).environment() == {
        "HTTP_LISTEN": "127.0.0.1:8009",
        "GRPC_LISTEN": "127.0.0.1:8010",
        "ADMIN_LISTEN": "127.0.0.1:19000",
    }
    listen = chosen({"HTTP_LISTEN": "0.0.0.0:8109"})
    assert listen.environment()["HTTP_LISTEN"] == "0.0.0.0:8109"
    assert listen.api_url == "https://127.0.0.1:8109"
    assert chosen({"HTTP_LISTEN": "[::]:1"}).api_url == "https://[::1]:1"


@pytest.mark.parametrize("variable", ["HTTP_LISTEN", "GRPC_LISTEN", "ADMIN_LISTEN"])
def test_a_taken_port_names_itself_and_its_variable(variable: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = {"HTTP_LISTEN": "127.0.0.1:0", "GRPC_LISTEN": "127.0.0.1:0", "ADMIN_LISTEN": "127.0.0.1:0"}
        with pytest.raises(Refusal, match=f"port {port} is taken") as caught:
            chosen({**free, variable: f"127.0.0.1:{port}"}).require_free()
    assert f"{variable}=127.0.0.1:{port + 100 if port < 65000 else 0} penstock demo" in str(caught.value.hint)


@pytest.mark.parametrize("value", ["8009", "host:port", "127.0.0.1:99999"])
def test_what_is_no_address_names_its_variable(value: str) -> None:
    with pytest.raises(Refusal, match="HTTP_LISTEN"):
        chosen({"HTTP_LISTEN": value})


def test_an_address_of_another_machine_cannot_be_had() -> None:
    with pytest.raises(Refusal, match=r"cannot listen on 192\.0\.2\.1:1"):
        chosen({"HTTP_LISTEN": "192.0.2.1:1"}).require_free()


def test_a_real_gateways_settings_never_reach_the_demo(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = (
        "POSTGRES_DB_URI",
        "TLS_CERT",
        "API_URL",
        "PENSTOCK_KEY",
        "PENSTOCK_TOKEN",
        "HOOP_DSN",
        "PENSTOCK_HOME",
    )
    for name in (*real, "LOG_LEVEL", "SOMETHING_ELSE"):
        monkeypatch.setenv(name, "real")
    passed = environment(tmp_path)
    assert not set(real[:-1]) & set(passed)
    assert passed["PENSTOCK_HOME"] == str(tmp_path)
    assert (passed["LOG_LEVEL"], passed["SOMETHING_ELSE"]) == ("real", "real")


def test_a_kept_key_follows_the_gateway() -> None:
    key = "grpcs://demo-agent:s3cret@localhost:8010?ca=sha256:ab"
    assert moved(key, "grpcs://localhost:8110") == "grpcs://demo-agent:s3cret@localhost:8110?ca=sha256:ab"
    assert moved(key, "grpcs://localhost:8010") == key


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    file = tmp_path / "home" / "demo.json"
    made = Secrets.load(file)
    assert Secrets.load(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len({made.admin, made.superuser, made.role}) == 3
    made.with_key("key", file)
    assert Secrets.load(file).agent_key == "key"
    file.write_text("{}")
    with pytest.raises(Refusal, match="cannot be read"):
        Secrets.load(file)


def test_the_lines_to_go_on_with_can_be_pasted(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    lines = commands(home, "s1")
    for line in lines.values():
        words = shlex.split(line)
        assert any(Path(word).is_absolute() for word in words)
    connect, psql = shlex.split(lines["connect"]), shlex.split(lines["psql"])
    assert connect[0] == f"PENSTOCK_HOME={home}"
    assert connect[connect.index("--port") + 1] == psql[psql.index("-p") + 1]
    assert Path(psql[0]).is_file()
    assert all(line in farewell(lines) for line in lines.values())


def test_what_is_left_when_nothing_runs_needs_no_gateway(tmp_path: Path) -> None:
    lines = offline(tmp_path, tmp_path / "s 1.rec")
    assert shlex.split(lines["replay"])[-3:] == ["sessions", "replay", str(tmp_path / "s 1.rec")]
    assert "psql" not in farewell(lines)


def test_a_recording_is_found_in_its_place(tmp_path: Path) -> None:
    assert recording(tmp_path, "s1") is None
    file = tmp_path / "recordings/2026/01/31/s1.rec"
    file.parent.mkdir(parents=True)
    file.touch()
    assert recording(tmp_path, "s1") == file


def test_steps_say_what_came_out_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    steps = Steps(err=False)
    with steps.step("database") as step:
        step.outcome = "PostgreSQL"
    with pytest.raises(Refusal), steps.step("gateway"):
        raise Refusal("no")
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("  ✓ database    PostgreSQL  (0.")
    assert second == "  ✗ gateway"
