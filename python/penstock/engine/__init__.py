"""The façade over the native core, and the only package that imports it."""

from penstock.engine.agent import Agent
from penstock.engine.client import Client
from penstock.engine.decider import Decider
from penstock.engine.gateway import Bound, Gateway
from penstock.engine.logging import init_logging
from penstock.engine.recordings import Recordings, read_recording, verify_recording

__all__ = [
    "Agent",
    "Bound",
    "Client",
    "Decider",
    "Gateway",
    "Recordings",
    "init_logging",
    "read_recording",
    "verify_recording",
]
