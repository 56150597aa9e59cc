"""What has to be done now and then."""

import asyncio
from datetime import timedelta

import structlog

from penstock.domain.ports import Clock, Engine, PassageRepository, RecordingArchive, TokenRepository
from penstock.domain.recording import Head
from penstock.services.agents import Agents
from penstock.services.recovery import Recovery

PERIOD_SECONDS = 30.0
SETTLED = timedelta(minutes=1)


class Housekeeping:
    """Notes which agents are there, forgets expired tokens, signs recordings, settles ends that were lost.

    Forgets the oldest of what left by the forward proxy, but for ``keep_passages``.
    """

    def __init__(
        self,
        agents: Agents,
        tokens: TokenRepository,
        archive: RecordingArchive,
        recovery: Recovery,
        engine: Engine,
        clock: Clock,
        passages: PassageRepository,
        *,
        keep_passages: int,
    ) -> None:
        self._agents = agents
        self._tokens = tokens
        self._archive = archive
        self._recovery = recovery
        self._engine = engine
        self._clock = clock
        self._passages = passages
        self._keep_passages = keep_passages
        self._log = structlog.get_logger("penstock.services.housekeeping")

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self.once()
            except Exception:  # noqa: BLE001 - the next round may do better
                self._log.exception("housekeeping failed")

    async def once(self) -> None:
        """One round."""
        await self._agents.note_presence()
        await self._tokens.prune(self._clock.now())
        live = self._engine.sessions()
        await self._archive.checkpoint(
            {session: Head(meter.records, meter.head) for session, meter in live.items() if meter.records}
        )
        await self._recovery.sweep(live, SETTLED)
        await self._passages.prune(self._keep_passages)
