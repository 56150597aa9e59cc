"""`penstock start egress`: bare as its peers are, and with all that it is for."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from benchmarks.egress.stage import HOST, Forward, Stage
from benchmarks.measure.origin import wait
from tests.e2e.stack.environment import PENSTOCK, environment
from tests.e2e.stack.ports import free_port

_CALLER = "bench"
_KEY = "a-key-of-the-benchmark"

# What must be said for a benchmark on one machine. Breakers stand wide open, as those of the peers do.
_COMMON = """\
listen = "127.0.0.1:{port}"

[connect]
enabled = true
ports = [{origin}, {tls}]
require_tls_name = {tls_name}

[guard]
allow = ["127.0.0.0/8"]

[dns]
family = "v4_only"

[limits]
connections = 50000
pool_idle_connections = 1024

[timeouts]
response = 0
tunnel_idle = 0

[breakers]
overall = {{ connections = 100000, pending = 100000, requests = 100000 }}
destination = {{ connections = 100000, pending = 100000, requests = 100000 }}
"""

_BARE = """
[access_log]
enabled = false
"""

# Twenty rules that do not hold come before the one that does.
_RULES = "".join(
    f"""
[[profile.rule]]
deny = ["*.site-{number}.example.com"]
reason = "site {number} is closed"
"""
    for number in range(20)
)

_WHOLE = f"""
[access_log]
path = "{{folder}}/access.log"

[caller.{_CALLER}]
groups = ["builders"]
keys = ["sha256:{hashlib.sha256(_KEY.encode()).hexdigest()}"]

[[profile]]
name = "builders"
groups = ["builders"]
{_RULES}
[[profile.rule]]
allow = ["{HOST}"]
"""


def bare(stage: Stage, name: str) -> Forward:
    """Nothing that its peers do not do. Raises MissingWayError."""
    return _start(stage, name, _COMMON + _BARE)


def whole(stage: Stage, name: str) -> Forward:
    """With callers, rules, the check of the TLS name and the access log. Raises MissingWayError."""
    credential = base64.b64encode(f"{_CALLER}:{_KEY}".encode()).decode("ascii")
    return _start(stage, name, _COMMON + _WHOLE, f"Basic {credential}")


def _start(stage: Stage, name: str, config: str, authorization: str | None = None) -> Forward:
    port = free_port()
    label = name.replace(" ", "-")
    folder = stage.room(label)
    file = _written(stage, folder, config, port, tls_name=authorization is not None)
    command: list[str | Path] = [PENSTOCK, "start", "egress", "--config", file]
    process = stage.processes.start(label, command, environment(folder, {"LOG_LEVEL": "INFO"}))
    wait(process, port)
    return Forward(name, (process,), port, authorization, only_tls=authorization is not None)


def _written(stage: Stage, folder: Path, config: str, port: int, tls_name: bool) -> Path:
    file = folder / "egress.toml"
    ports = {"origin": stage.origin.port, "tls": stage.origin.tls_port}
    text = config.format(port=port, folder=folder, tls_name=str(tls_name).lower(), **ports)
    file.write_text(text, "utf-8")
    return file
