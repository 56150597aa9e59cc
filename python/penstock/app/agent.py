"""The agent, built and run."""

import asyncio

import structlog

from penstock.app.signals import stop_requested
from penstock.app.startup import agent_config
from penstock.engine.agent import Agent
from penstock.settings import Settings

POLL_SECONDS = 0.5


async def serve(settings: Settings) -> None:
    """Runs an agent until a signal ends it. Raises what redialling cannot mend."""
    config = agent_config(settings)
    agent = Agent(config)
    with stop_requested() as stop:
        agent.start()
        structlog.get_logger("penstock.app").info(
            "agent started", agent=config.key.name, gateway=config.key.url
        )
        try:
            while not stop.is_set():
                ended = await asyncio.to_thread(agent.wait, POLL_SECONDS)
                if ended is not None:
                    raise ended
        finally:
            await asyncio.to_thread(agent.shutdown, float(settings.drain_seconds))
