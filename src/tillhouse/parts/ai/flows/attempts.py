"""One try at one model: written down before it is made, and seen through to its end, whoever has gone meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.parts.ai.domain.calls import Amounts, CallKind, Outcome, Use
from tillhouse.parts.ai.domain.chat import TokenUsage
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.domain.failures import ModelFailure, Trouble
from tillhouse.parts.ai.flows.switchboard import E, Switchboard, Tries
from tillhouse.parts.ai.ports.spending import PlannedCall
from tillhouse.parts.ai.service import metering
from tillhouse.parts.ai.service.metering import Ending

T = TypeVar("T")

_OUTCOMES: dict[Trouble, Outcome] = {"cut": "cut", "late": "late"}
NOTHING = Amounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What all tries at one question share. `most` is the most that it may come to."""

    house: House
    use: Use
    kind: CallKind
    most: Amounts
    id: UUID = field(default_factory=new_id)

    @property
    def board(self) -> Switchboard:
        return self.house.the(Switchboard)


@dataclass(slots=True)
class Attempt:
    """A try under way. What it finds out is set here; `end` writes it down once."""

    question: Question
    model: str
    started: float
    id: UUID = field(default_factory=new_id)
    amounts: Amounts = NOTHING
    request_id: str = ""
    first: float | None = None

    @classmethod
    async def begin(cls, question: Question, model: str, number: int, seconds: float) -> "Attempt":
        """Write the try down and reserve what it may cost. Raises `NoPrice`, and what a guard refuses with."""
        board = question.board
        rates = board.prices.rates(model)
        attempt = cls(question, model, board.now())
        most = question.most
        planned = PlannedCall(
            id=attempt.id,
            kind=question.kind,
            owner=question.use.owner,
            purpose=question.use.purpose,
            model=model,
            most=rates.of_tokens(most.tokens) + rates.of_sound(most.milliseconds),
            unit=board.prices.unit,
            seconds=seconds,
        )
        async with question.house.database.transaction() as session:
            await metering.begin(
                session,
                planned,
                prices=board.prices,
                request_id=question.id,
                attempt=number,
            )
        return attempt

    def begun_to_answer(self) -> None:
        """The first piece of the answer is there."""
        if self.first is None:
            self.first = self.question.board.now() - self.started
            self.question.board.record_first(self.model, self.first)

    async def end(self, failure: ModelFailure | None, *, cancelled: bool = False) -> None:
        """Write down how it ended; also when whoever asked has gone."""
        outcome: Outcome = "cancelled" if cancelled else _OUTCOMES.get(failure.trouble, "failed") if failure else "done"
        board = self.question.board
        board.record(self.question.kind, self.model, outcome, failure, self.amounts)
        ending = Ending(
            outcome=outcome,
            amounts=self.amounts,
            failure=_code(failure),
            provider_request_id=self.request_id or (failure.request_id if failure else ""),
            first_token_ms=None if self.first is None else round(self.first * 1000),
            latency_ms=round((board.now() - self.started) * 1000),
        )
        await board.see_through(self._write(ending))

    async def _write(self, ending: Ending) -> None:
        rates = self.question.board.prices.rates(self.model)
        async with self.question.house.database.transaction() as session:
            await metering.end(session, self.id, ending, rates)


async def whole(
    question: Question,
    chain: Sequence[tuple[str, E]],
    deadlines: Deadlines,
    ask: Callable[[str, E, float], Awaitable[T]],
    count: Callable[[T], Amounts],
) -> tuple[str, T]:
    """Ask the models of a chain until one gives a whole answer; that model's name, and its answer.

    `ask` gets model, endpoint and the seconds it may take. For what does not come in pieces; raises as `Tries` does.
    """
    tries = Tries(question.board, chain, deadlines)
    failure: ModelFailure | None = None
    while True:
        model, endpoint = await tries.next(failure)
        attempt = await Attempt.begin(question, model, tries.count, tries.left)
        try:
            answer = await _in_time(ask(model.partition("/")[2], endpoint, tries.left), tries.left)
        except ModelFailure as found:
            failure = found
            await attempt.end(found)
        except BaseException:  # whoever asked is gone, or our own code is wrong: written down either way
            await attempt.end(None, cancelled=True)
            raise
        else:
            attempt.amounts = count(answer)
            await attempt.end(None)
            return model, answer


async def _in_time(answer: Awaitable[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await answer
    except TimeoutError:
        raise ModelFailure("late", "deadline") from None


def _code(failure: ModelFailure | None) -> str | None:
    return f"{failure.trouble}:{failure.detail}"[:200] if failure else None


def amounts_of(usage: TokenUsage) -> Amounts:
    """Tokens as they are metered."""
    return Amounts(input=usage.input, output=usage.output, cached=usage.cached, estimated=usage.estimated)
