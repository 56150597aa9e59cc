"""Every question is answered once, and whatever goes wrong is a denial."""

import asyncio
import json
import threading
from typing import Any

import pytest
from penstock.domain.errors import Code, PenstockError, Side
from penstock.domain.question import NOTED, Ended, Question, Verdict
from penstock.engine.decider import MAX_ENDING, Decider

pytestmark = pytest.mark.anyio
DECIDE = json.dumps(
    {"ask": "decide", "principal": {"kind": "agent", "name": "a"}, "connection": "db", "peer": "p"}
)
ENDED = json.dumps(
    {
        "ask": "ended",
        "session": "s",
        "status": "closed",
        "reason": None,
        "statements": 0,
        "client_bytes": 0,
        "upstream_bytes": 0,
        "records": 0,
        "head": "",
    }
)


class Answered:
    """A reply that remembers."""

    def __init__(self, *, broken: bool = False) -> None:
        self.verdicts: list[Any] = []
        self.answered = asyncio.Event()
        self._broken = broken

    def answer(self, verdict: str) -> None:
        """The engine's side."""
        self.verdicts.append(json.loads(verdict))
        self.answered.set()
        if self._broken:
            raise RuntimeError("gone")


class Script:
    """Answers as it is told, when it may."""

    def __init__(self, answer: Verdict | Exception = NOTED) -> None:
        self.answer = answer
        self.may_go = asyncio.Event()
        self.may_go.set()

    async def __call__(self, question: Question) -> Verdict:
        """One question."""
        await self.may_go.wait()
        if isinstance(self.answer, Exception) and not isinstance(self.answer, PenstockError):
            raise self.answer
        return self.answer


async def _ask(decider: Decider, text: str = DECIDE) -> Any:
    reply = Answered()
    decider.ask(text, reply)
    await asyncio.sleep(0)  # the question is handed over to the loop
    await decider.idle()
    (verdict,) = reply.verdicts
    return verdict


async def test_a_question_from_another_thread_is_answered_on_the_loop() -> None:
    decider = Decider(Script(), timeout_seconds=5)
    reply = Answered()
    thread = threading.Thread(target=decider.ask, args=(DECIDE, reply))
    thread.start()
    await asyncio.to_thread(thread.join)
    await asyncio.sleep(0)
    await decider.idle()
    assert reply.verdicts == ["noted"]


async def test_a_denial_keeps_its_words() -> None:
    denial = PenstockError(Code.FORBIDDEN, Side.POLICY, "rule 'groups'", hint="ask")
    verdict = await _ask(Decider(Script(denial), timeout_seconds=5))
    assert verdict == {"deny": denial.as_json()}


@pytest.mark.parametrize("text", [DECIDE, ENDED])
async def test_an_exception_is_a_denial_without_its_words(text: str) -> None:
    verdict = await _ask(Decider(Script(ValueError("password=hush")), timeout_seconds=5), text)
    assert verdict["deny"]["code"] == "internal"
    assert "hush" not in json.dumps(verdict)


async def test_what_is_no_question_is_denied() -> None:
    assert (await _ask(Decider(Script(), timeout_seconds=5), "{"))["deny"]["code"] == "internal"


async def test_a_late_answer_is_a_denial() -> None:
    script = Script()
    script.may_go.clear()
    verdict = await _ask(Decider(script, timeout_seconds=0.01))
    assert verdict["deny"]["code"] == "internal"
    assert "0.01" in verdict["deny"]["message"]


async def test_too_many_at_once_are_denied_but_ends_are_not() -> None:
    script = Script()
    script.may_go.clear()
    decider = Decider(script, timeout_seconds=60, in_flight=2)
    replies = [Answered() for _ in range(4)]
    for reply, text in zip(replies, (DECIDE, DECIDE, DECIDE, ENDED), strict=True):
        decider.ask(text, reply)
    async with asyncio.timeout(5):
        await replies[2].answered.wait()
    assert replies[2].verdicts[0]["deny"]["code"] == "limited"
    script.may_go.set()
    await decider.idle()
    assert [reply.verdicts for reply in (replies[0], replies[1], replies[3])] == [["noted"]] * 3


async def test_ends_take_turns_and_hold_up_no_decision() -> None:
    """However many sessions end at once."""
    may_end, ending = asyncio.Event(), 0

    async def answer(question: Question) -> Verdict:
        nonlocal ending
        if isinstance(question, Ended):
            ending += 1
            await may_end.wait()
            ending -= 1
        return NOTED

    decider = Decider(answer, timeout_seconds=60)
    ends = [Answered() for _ in range(10 * MAX_ENDING)]
    for reply in ends:
        decider.ask(ENDED, reply)
    decided = Answered()
    decider.ask(DECIDE, decided)
    async with asyncio.timeout(5):
        await decided.answered.wait()
    assert ending == MAX_ENDING
    may_end.set()
    await decider.idle()
    assert [reply.verdicts for reply in ends] == [["noted"]] * len(ends)


async def test_an_engine_that_is_gone_breaks_nothing() -> None:
    decider = Decider(Script(), timeout_seconds=5)
    reply = Answered(broken=True)
    decider.ask(DECIDE, reply)
    await asyncio.sleep(0)
    await decider.idle()
    assert await _ask(decider) == "noted"


def test_a_closed_loop_refuses_the_question() -> None:
    async def build() -> Decider:
        return Decider(Script(), timeout_seconds=5)

    decider = asyncio.run(build())
    with pytest.raises(RuntimeError):
        decider.ask(DECIDE, Answered())
