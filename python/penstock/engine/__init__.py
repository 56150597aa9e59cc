"""The façade over the native core, and the only package that imports it."""

from penstock.engine.agent import Agent, AgentConfig
from penstock.engine.client import Client
from penstock.engine.decider import Decider
from penstock.engine.gateway import Bound, Gateway, GatewayConfig
from penstock.engine.logging import init_logging
from penstock.engine.recordings import Recordings, read_recording, verify_recording

__all__ = [
    "Agent",
    "AgentConfig",
    "Bound",
    "Client",
    "Decider",
    "Gateway",
    "GatewayConfig",
    "Recordings",
    "init_logging",
    "read_recording",
    "verify_recording",
]
