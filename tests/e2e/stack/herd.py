"""Many agents in one process, each with its own identity and links.

    python -m tests.e2e.stack.herd KEYS     a file with one agent's key in each line

It writes a line for each it reads: how many agents have all their links, and how often each has dialled. It
ends with its input.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from penstock.domain.agent_key import AgentKey
from penstock.engine.agent import Agent, AgentConfig

LINKS = 4
"""What an agent holds."""


def main(keys: Path) -> None:
    """Starts them, answers, and ends without a word to the gateway."""
    agents = [
        Agent(AgentConfig(AgentKey.parse(key), [], insecure=False, keepalive_seconds=15))
        for key in keys.read_text("ascii").splitlines()
    ]
    for agent in agents:
        agent.start()
    for _line in sys.stdin:
        whole = sum(agent.links == LINKS for agent in agents)
        told = {"whole": whole, "dials": [agent.dials for agent in agents]}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
