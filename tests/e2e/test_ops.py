"""What an operator looks at: metrics, state, configuration, logs; and the gateway with its agent in one."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.e2e.stack.cli import Cli
from tests.e2e.stack.clients import connect, psql
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.gateway import ADMIN, Gateway
from tests.e2e.stack.logs import lines
from tests.e2e.stack.ports import free_port
from tests.e2e.stack.postgres import Postgres
from tests.e2e.stack.processes import Processes
from tests.e2e.stack.stack import AGENT, Stack
from tests.e2e.stack.waiting import until

# The labels and their values are few and known: no name of a user, connection, agent or session among them.
LABELS = {
    "port": {"http", "grpc"},
    "result": {"done", "failed"},
    "role": {"agent", "client", "probe"},
    "protocol": {"postgres", "tcp"},
    "status": {"closed", "killed", "expired", "failed"},
    "from": {"client", "upstream"},
    "question": {"authenticate", "decide", "begin", "ended"},
}
SAMPLE = re.compile(r"(?P<name>[a-z_]+)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)")


class Sample(NamedTuple):
    """One line of an exposition."""

    name: str
    labels: tuple[tuple[str, str], ...]


def metrics(stack: Stack) -> dict[Sample, float]:
    """Every sample of an OpenMetrics text."""
    answer = stack.gateway.admin("metrics").raise_for_status()
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    *text, end = answer.text.splitlines()
    assert end == "# EOF"
    found = {}
    for line in text:
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP|TYPE|UNIT) penstock_[a-z_]+ .+", line), line
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, line
        pairs = re.findall(r'([a-z]+)="([^"]*)"', sample["labels"] or "")
        found[Sample(sample["name"], tuple(sorted(pairs)))] = float(sample["value"])
    return found


def value(found: dict[Sample, float], name: str, **labels: str) -> float:
    """One value; zero if it was never counted."""
    return found.get(Sample(f"penstock_{name}", tuple(sorted(labels.items()))), 0.0)


def test_metrics_have_bounded_labels(stack: Stack, application: str) -> None:
    """After much that has names: users, connections, agents, failed and successful sessions."""
    psql(stack.forward("db").port, application, "-c", "SELECT 1")
    found = metrics(stack)
    assert len(found) > 20
    for sample in found:
        assert sample.name.startswith("penstock_")
        for name, label in sample.labels:
            if name != "le":
                assert label in LABELS[name], sample


def test_metrics_count(stack: Stack, application: str) -> None:
    """Sessions, statements, bytes, links, handshakes, recorder: what was done, as it was done."""
    before = metrics(stack)
    statements = [part for number in range(7) for part in ("-c", f"SELECT {number}, repeat('x', 10000)")]
    psql(stack.forward("db").port, application, *statements)
    session = stack.api.ended(stack.api.session(application)["id"])
    after = metrics(stack)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("statements_total") == 7
    assert grown("sessions_ended_total", protocol="postgres", status="closed") == 1
    assert grown("session_bytes_total", **{"from": "client"}) == session["client_bytes"]
    assert grown("session_bytes_total", **{"from": "upstream"}) == session["upstream_bytes"] > 70_000
    assert grown("recorder_records_total") == 3 + 2 * 7
    assert grown("recorder_written_bytes_total") > 7 * 50
    assert grown("recorder_failures_total") == 0
    assert grown("decision_seconds_count", question="begin") == 1
    assert value(after, "links", role="agent") >= 4
    assert value(after, "links", role="client") >= 1
    assert value(after, "connections", port="grpc") >= 5
    assert value(after, "handshakes_total", port="http", result="done") > 0
    assert (value(after, "ready"), value(after, "recorder_queue")) == (1, 0)


def test_live_sessions_are_counted_and_listed(stack: Stack, application: str) -> None:
    """/metrics, /stats and the API agree."""
    with connect(stack.forward("db").port, application) as connection:
        connection.execute("SELECT 1")
        session = stack.api.session(application)
        stats = stack.gateway.admin("stats").json()
        assert stats["sessions"][session["id"]]["statements"] == session["statements"] == 1
        assert stats["agents"][AGENT]["links"] == stack.api.get(f"agents/{AGENT}")["links"] == 4
        assert value(metrics(stack), "sessions") == len(stats["sessions"]) >= 1
        assert value(metrics(stack), "agent_streams") >= 1
    until("it is gone", lambda: session["id"] not in stack.gateway.admin("stats").json()["sessions"])


def test_config_dump_holds_every_limit_and_no_secret(stack: Stack, postgres: Postgres) -> None:
    """The engine's configuration as it is in force."""
    dump = stack.gateway.admin("config_dump")
    config = dump.json()
    assert config["http_listen"] == f"127.0.0.1:{stack.gateway.http_port}"
    assert config["keepalive_seconds"] == 2
    assert {"handshake_seconds", "client_streams", "body_bytes", "recorder_queue"} <= config.keys()
    secrets = [stack.gateway.password, stack.api.token or "?", *postgres.passwords.values(), "PRIVATE KEY"]
    for path in ("config_dump", "stats", "metrics"):
        text = stack.gateway.admin(path).text
        assert [secret for secret in secrets if secret in text] == []


def test_the_home_keeps_secrets_from_everybody(stack: Stack, postgres: Postgres) -> None:
    """Passwords are encrypted or hashed, tokens and keys hashed; nobody else reads any file."""
    keys = [key.partition("@")[0].rpartition(":")[2] for key in stack.keys.values()]
    secrets = [stack.gateway.password, stack.api.token or "?", *keys, *postgres.passwords.values()]
    files = [file for file in stack.gateway.home.rglob("*") if not file.is_socket()]
    assert any(file.name == "penstock.db" for file in files)
    for file in files:
        assert file.stat().st_mode & 0o077 == 0, file
        data = b"" if file.is_dir() else file.read_bytes()
        assert [secret for secret in secrets if secret.encode() in data] == [], file


def test_ready_and_live(stack: Stack) -> None:
    """For orchestrators; unknown paths and other methods are refused."""
    for path in ("ready", "live"):
        answer = stack.gateway.admin(path)
        assert (answer.status_code, answer.text) == (200, f"{path}\n")
    assert stack.gateway.admin("nowhere").status_code == 404
    url = f"http://127.0.0.1:{stack.gateway.admin_port}/ready"
    assert httpx.post(url, trust_env=False).status_code == 405


def test_an_agents_admin_port(stack: Stack) -> None:
    """Only where ADMIN_LISTEN is set; the same paths."""
    port = free_port()
    stack.agent("watched", {"ADMIN_LISTEN": f"127.0.0.1:{port}"})
    base = f"http://127.0.0.1:{port}"
    assert httpx.get(f"{base}/ready", trust_env=False).status_code == 200
    text = httpx.get(f"{base}/metrics", trust_env=False).text
    assert re.search(r"^penstock_\S*links\S* 4$", text, re.MULTILINE), text
    stack.agents["watched"].stop()


def test_json_logs_parse_line_by_line(stack: Stack) -> None:
    """Gateway and agent: a time, a level, where it comes from and a message, whoever wrote it."""
    stack.cli.ok("exec", "db", "-i", "SELECT 1")
    for process in (stack.gateway.process, stack.agents[AGENT]):
        entries = lines(process.log)
        assert len(entries) > 2
        for entry in entries:
            assert {"timestamp", "level", "message", "target"} <= entry.keys(), entry
            assert entry["level"] in ("DEBUG", "INFO", "WARN", "ERROR"), entry
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", entry["timestamp"]), entry
    targets = {entry["target"].split(".")[0].split(":")[0] for entry in lines(stack.gateway.process.log)}
    assert "penstock" in targets


@contextmanager
def standalone(folder: Path, **variables: str) -> Iterator[Gateway]:
    """Gateway and agent in one process."""
    with Processes(folder / "logs") as processes:
        server = Gateway(folder / "home", processes, variables, role="standalone")
        server.start()
        yield server


def test_standalone(root: Path, postgres: Postgres) -> None:
    """One process: an agent of its own that is online, and the first query."""
    with standalone(root / "standalone", LOG_LEVEL="ERROR") as server:
        cli = Cli(root / "standalone" / "admin", server.processes)
        cli.log_in(server.url, ADMIN, server.password)
        [agent] = until("its agent is online", lambda: online(cli))
        settings = [part for pair in postgres.env().items() for part in ("-e", "=".join(pair))]
        cli.ok("admin", "create", "connection", "db", "--type", "postgres", "--agent", agent, *settings)
        assert cli.ok("exec", "db", "-i", "SELECT 'alone'", "-o", "csv") == "?column?\nalone\n"
        [session] = cli.json("sessions", "list")
        assert (session["connection"], session["statements"]) == ("db", 1)
        assert server.process.stop() == 0
        assert server.process.log.read_text("utf-8") == ""


def online(cli: Cli) -> list[str]:
    """The names of the agents that are online."""
    return [a["name"] for a in cli.json("admin", "get", "agent") if a["status"] == "online"]


def test_console_logs_and_the_grpc_log(root: Path) -> None:
    """LOG_ENCODING=console is for people; LOG_GRPC shows what happens on links, whatever LOG_LEVEL says."""
    with standalone(root / "console", LOG_ENCODING="console", LOG_LEVEL="error", LOG_GRPC="true") as server:
        until("it tells of calls", lambda: "call peer=" in server.process.log.read_text("utf-8"))
        server.process.stop()
        told = server.process.log.read_text("utf-8").splitlines()
    assert all(re.match(r"\d{4}-\S+Z +(TRACE|DEBUG|INFO|WARN) penstock::link: ", line) for line in told), told
    assert "\x1b" not in "".join(told)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"HTTP_LISTEN": "nowhere"}, "HTTP_LISTEN"),
        ({"LINK_KEEPALIVE_SECONDS": "0"}, "LINK_KEEPALIVE_SECONDS"),
        ({"POSTGRES_DB_URI": "postgres://u:hidden-password@h/d"}, "POSTGRES_DB_URI"),
        ({"TLS_KEY": "not a key", "TLS_CERT": "not a certificate"}, "TLS_KEY"),
    ],
)
def test_a_wrong_setting_is_named(root: Path, variables: dict[str, str], words: str, tmp_path: Path) -> None:
    """Before anything is opened, with what it should be; never its value if it is a secret."""
    with Processes(root / "settings" / "logs") as processes:
        gateway = processes.start("wrong", [PENSTOCK, "start", "gateway"], environment(tmp_path, variables))
        assert gateway.wait() == 1
        told = gateway.log.read_text("utf-8")
    assert words in told and "hint: " in told, told
    assert "hidden-password" not in told and "Traceback" not in told


def test_the_first_start_prints_how_to_make_the_first_admin(root: Path) -> None:
    """`penstock setup` with the printed token works once; until then nobody logs in."""
    folder = root / "fresh"
    with standalone(folder, PENSTOCK_ADMIN_EMAIL="", PENSTOCK_ADMIN_PASSWORD="") as server:
        cli = Cli(folder / "admin", server.processes)
        who = ("--email", "first@test.example", "--password-stdin")
        early = cli.run("login", "--api-url", server.url, *who, "-o", "json", stdin="a good password\n")
        assert early.problem["code"] == "setup-required" and "penstock setup" in early.problem["hint"]
        line = re.search(
            r"^ +penstock (setup .*--token (\S+).*)$", server.process.out.read_text(), re.MULTILINE
        )
        assert line
        printed = (*shlex.split(line[1]), *who)
        assert cli.run(*printed, "--token", "pst_wrong", stdin="a good password\n").code == 1
        cli.ok(*printed, stdin="a good password\n")
        assert cli.json("status")["user"]["admin"] is True
        again = cli.run(*printed, "-o", "json", stdin="another password\n")
        assert again.problem["code"] == "conflict"
        assert line[2] not in server.process.log.read_text("utf-8")
