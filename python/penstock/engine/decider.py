"""Answers the engine's questions on the event loop. Whatever goes wrong is a denial."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from penstock.domain.errors import Code, PenstockError, Side, internal
from penstock.domain.question import Ended, Passages, Question, Verdict
from penstock.engine.codec import read_question, write_verdict

MAX_IN_FLIGHT = 1024
MAX_ENDING = 4


class Reply(Protocol):
    """Where one question's answer goes, once."""

    def answer(self, verdict: str) -> None: ...


class Decider:
    """The Python implementation of the engine's ``Decider`` seam.

    ``answer`` decides one question; it raises :class:`PenstockError` to deny. ``timeout_seconds`` should be
    below the engine's own, so that a denial tells why. Ends of sessions are neither counted nor timed: there
    are no more of them than sessions, and one that is lost leaves its session open in the store. They take
    turns, ``MAX_ENDING`` at a time: thousands that end at once keep nobody waiting who begins. Passages come
    one batch after the other.
    """

    def __init__(
        self,
        answer: Callable[[Question], Awaitable[Verdict]],
        *,
        timeout_seconds: float,
        in_flight: int = MAX_IN_FLIGHT,
    ) -> None:
        self._answer = answer
        self._timeout_seconds = timeout_seconds
        self._in_flight = in_flight
        self._deciding = 0
        self._ending = asyncio.Semaphore(MAX_ENDING)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._log = structlog.get_logger("penstock.engine.decider")

    def ask(self, question: str, reply: Reply) -> None:
        """Called by the engine on a thread of its own; returns at once.

        Raises ``RuntimeError`` if the loop is closed, which the engine takes for a denial.
        """
        self._loop.call_soon_threadsafe(self._start, question, reply)

    async def idle(self) -> None:
        """Waits until every question that was asked is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, text: str, reply: Reply) -> None:
        task = self._loop.create_task(self._respond(text, reply))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respond(self, text: str, reply: Reply) -> None:
        verdict = await self._decide(text)
        try:
            reply.answer(write_verdict(verdict))
        except Exception:  # noqa: BLE001 - the loop must go on, and the engine denies by its own clock
            self._log.exception("the engine did not take an answer")

    async def _bounded(self, question: Question) -> Verdict:
        if self._deciding >= self._in_flight:
            hint = "try again in a few seconds"
            raise PenstockError(Code.LIMITED, Side.GATEWAY, "too many decisions at once", hint=hint)
        self._deciding += 1
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._answer(question)
        finally:
            self._deciding -= 1

    async def _decide(self, text: str) -> Verdict:
        try:
            question = read_question(text)
            if isinstance(question, Ended):
                async with self._ending:
                    return await self._answer(question)
            if isinstance(question, Passages):
                return await self._answer(question)
            return await self._bounded(question)
        except PenstockError as denial:
            if denial.code is Code.INTERNAL:
                self._log.error("a question could not be decided", error=denial.message, hint=denial.hint)
            return denial
        except TimeoutError:
            self._log.error("a question was not decided in time", seconds=self._timeout_seconds)
            return internal(f"no decision within {self._timeout_seconds:g} s")
        except Exception:  # noqa: BLE001 - whatever breaks is a denial
            self._log.exception("a question could not be decided")
            return internal("the decision failed")
