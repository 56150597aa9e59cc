"""Checks the boundaries between the crates: who may depend on whom, and on Python and sockets at all."""

import json
import subprocess
import sys
from typing import Any

# What each crate of ours may depend on, of ours. A crate that is missing here is an error: decide where it
# belongs.
OURS: dict[str, set[str]] = {
    "domain": set(),
    "admin": {"domain"},
    "inspect": {"domain"},
    "record": {"domain"},
    "link": {"domain"},
    "relay": {"domain", "link"},
    "http": {"domain", "link", "relay"},
    "agent": {"admin", "domain", "link", "relay"},
    "client": {"domain", "link", "relay"},
    "probe": {"domain", "link"},
    "worker": {"admin", "domain", "http", "link", "relay"},
    "ingress": {"admin", "domain", "http", "link", "relay"},
    "egress": {"admin", "domain", "http", "link", "relay"},
    "gateway": {"admin", "domain", "egress", "http", "ingress", "inspect", "link", "record", "relay"},
    "load": set(),
    "fuzz": {"domain", "egress", "http", "inspect", "link", "record", "relay"},
    "python": {
        "domain",
        "agent",
        "client",
        "egress",
        "gateway",
        "http",
        "ingress",
        "link",
        "probe",
        "record",
        "worker",
    },
}

# Foreign crates that only some of ours may name, and why.
KEPT: dict[str, tuple[set[str], str]] = {
    "pyo3": ({"python"}, "one crate knows Python"),
    "rustls": ({"link"}, "one place builds TLS configurations"),
    "h2": ({"link"}, "one link layer"),
    "hyper": (
        {"admin", "egress", "gateway", "http", "ingress", "link", "worker"},
        "HTTP is spoken by the listener stack, by the ways through, and to a forward proxy before a link",
    ),
    "hickory-resolver": ({"egress"}, "one DNS cache"),
    "tonic": ({"link", "gateway"}, "gRPC is a carrier and a health check"),
}

# Crates that are sans-IO: no sockets, no timers.
PURE = {"domain", "inspect"}


def main() -> int:
    """Prints every broken rule; the exit code says whether there were any."""
    command = ["cargo", "metadata", "--no-deps", "--format-version", "1", "--locked"]
    packages = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["packages"]
    faults = [fault for package in packages for fault in faults_of(package)]
    for fault in faults:
        sys.stderr.write(f"error: {fault}\n")
    return 1 if faults else 0


def faults_of(package: dict[str, Any]) -> list[str]:
    """The rules that one crate breaks."""
    name = str(package["name"]).removeprefix("penstock-")
    if name not in OURS:
        return [f"crate {name} has no place in scripts/check_crates.py"]
    normal = {str(each["name"]) for each in package["dependencies"] if each["kind"] is None}
    ours = {each.removeprefix("penstock-") for each in normal if each.startswith("penstock-")}
    faults = [f"{name} may not depend on {other}" for other in sorted(ours - OURS[name])]
    for foreign, (allowed, why) in KEPT.items():
        if foreign in normal and name not in allowed:
            faults.append(f"{name} may not depend on {foreign}: {why}")
    if name in PURE and "tokio" in normal:
        faults.append(f"{name} is sans-IO and may not depend on tokio")
    return faults


if __name__ == "__main__":
    sys.exit(main())
