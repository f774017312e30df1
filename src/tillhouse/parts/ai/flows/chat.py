"""Asking a model: whole, in pieces as they come, or in a shape that is checked."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.domain.calls import Amounts, Use
from tillhouse.parts.ai.domain.chat import (
    AssistantMessage,
    Begun,
    ChatEvent,
    ChatRequest,
    Ended,
    JsonShape,
    ReasoningDelta,
    Reply,
    TextDelta,
    TokenUsage,
    UserMessage,
    estimate_input,
    estimate_tokens,
)
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.domain.failures import ModelFailure, WrongShape, as_error
from tillhouse.parts.ai.flows.attempts import Attempt, Question, amounts_of
from tillhouse.parts.ai.flows.switchboard import Tries, chat_chain
from tillhouse.parts.ai.ports.chat import ChatEndpoint
from tillhouse.parts.ai.settings import AISettings

M = TypeVar("M", bound=BaseModel)
Piece = TextDelta | ReasoningDelta | Reply


@dataclass(frozen=True, slots=True)
class Shaped(Generic[M]):
    """An answer in the shape that was asked for, checked; and the reply it was read from."""

    value: M
    reply: Reply


def stream(
    house: House, use: Use, request: ChatRequest, *, models: Sequence[str] = (), deadlines: Deadlines | None = None
) -> AbstractAsyncContextManager[AsyncIterator[Piece]]:
    """The answer in pieces: `async with stream(…) as pieces: async for piece in pieces`. The last one is the `Reply`.

    `models` are asked in their order (default: the house's own). A model is given up for the next only before its first
    piece. Leaving the block hangs up; what had been produced is metered. Must not be called in a transaction.
    Raises, while iterating, `ModelUnavailable`, `ModelLate`, `AnswerCut`, `ModelRefused`, `NoPrice`, `UnknownModel`,
    and what a `SpendGuard` refuses with.
    """
    return aclosing(_pieces(house, use, request, models, deadlines))


async def complete(
    house: House, use: Use, request: ChatRequest, *, models: Sequence[str] = (), deadlines: Deadlines | None = None
) -> Reply:
    """The whole answer. Asked for in pieces all the same, so that a model that falls silent is noticed. As `stream`."""
    async with stream(house, use, request, models=models, deadlines=deadlines) as pieces:
        async for piece in pieces:
            if isinstance(piece, Reply):
                return piece
    raise AssertionError("a stream ends with a reply or an error")


async def structured(
    house: House,
    use: Use,
    request: ChatRequest,
    shape: type[M],
    *,
    models: Sequence[str] = (),
    deadlines: Deadlines | None = None,
) -> Shaped[M]:
    """An answer as an object of `shape`. When it is none, the model is told what is wrong with it, once.

    Raises `WrongShape`, and as `stream` does. A model that only quotes is passed over.
    """
    asked = replace(request, shape=JsonShape(shape.__name__, shape.model_json_schema()))
    reply = await complete(house, use, asked, models=models, deadlines=deadlines)
    try:
        return Shaped(shape.model_validate_json(_json_in(reply.text)), reply)
    except ValidationError as error:
        repaired = replace(asked, messages=(*asked.messages, AssistantMessage(reply.text), _complaint(error)))
    reply = await complete(house, use, repaired, models=[reply.model], deadlines=deadlines)
    try:
        return Shaped(shape.model_validate_json(_json_in(reply.text)), reply)
    except ValidationError:
        raise WrongShape(
            N_("{model} did not answer in the form that was needed, twice. Try again, or ask in other words."),
            model=reply.model,
        ) from None


async def _pieces(
    house: House, use: Use, request: ChatRequest, models: Sequence[str], deadlines: Deadlines | None
) -> AsyncGenerator[Piece, None]:
    limits = deadlines or house.settings_of(AISettings).deadlines
    most = Amounts(input=estimate_input(request), output=request.most_tokens)
    question = Question(house=house, use=use, kind="chat", most=most)
    tries = Tries(question.board, chat_chain(house, models), limits)
    failure: ModelFailure | None = None
    while True:
        model, endpoint = await tries.next(failure)
        attempt = await Attempt.begin(question, model, tries.count, tries.left)
        answer = _Answer(attempt, request)
        try:
            async with aclosing(answer.follow(endpoint, limits, tries.left)) as pieces:
                async for piece in pieces:
                    yield piece
            return
        except ModelFailure as found:
            if answer.shown:
                raise as_error(found, model) from found
            failure = found


class _Answer:
    """One model's answer as it comes in."""

    def __init__(self, attempt: Attempt, request: ChatRequest) -> None:
        self._attempt = attempt
        self._request = request
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._usage: TokenUsage | None = None
        self._begun = False

    @property
    def shown(self) -> bool:
        """Whether the caller has seen any of it."""
        return bool(self._text or self._reasoning)

    async def follow(self, endpoint: ChatEndpoint, limits: Deadlines, seconds: float) -> AsyncGenerator[Piece, None]:
        """The pieces, then the reply. However it ends, that is written down."""
        ended: Ended | None = None
        failure: ModelFailure | None = None
        try:
            async with aclosing(self._events(endpoint, limits, seconds)) as events:
                async for event in events:
                    if isinstance(event, Begun):
                        self._take_beginning(event)
                    elif isinstance(event, Ended):
                        ended = event
                    else:
                        self._take(event)
                        yield event
            if ended is None:
                raise ModelFailure("cut", "no_end")
        except ModelFailure as found:
            failure = found
            raise
        finally:
            self._attempt.amounts = amounts_of(self._count(ended))
            await self._attempt.end(failure, cancelled=ended is None and failure is None)
        yield self._reply(ended)

    async def _events(
        self, endpoint: ChatEndpoint, limits: Deadlines, seconds: float
    ) -> AsyncGenerator[ChatEvent, None]:
        """The endpoint's events, each in its time."""
        now = self._attempt.question.board.now
        ends = now() + seconds
        first = now() + limits.first
        name = self._attempt.model.partition("/")[2]
        async with aclosing(endpoint.stream(name, self._request, max(limits.first, limits.between))) as events:
            while True:
                patience = limits.between if self.shown else first - now()
                try:
                    async with asyncio.timeout(min(patience, ends - now())):
                        event = await anext(events)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    raise ModelFailure("late", "between" if self.shown else "first") from None
                yield event

    def _take_beginning(self, event: Begun) -> None:
        self._begun = True
        self._attempt.request_id = event.request_id
        self._usage = event.usage

    def _take(self, event: TextDelta | ReasoningDelta) -> None:
        self._attempt.begun_to_answer()
        (self._text if isinstance(event, TextDelta) else self._reasoning).append(event.text)

    def _count(self, ended: Ended | None) -> TokenUsage:
        """What the endpoint counted; else what was really produced, by our own count."""
        if ended and ended.usage:
            return ended.usage
        if not self._begun or (ended is None and not self.shown):
            return TokenUsage()
        asked = self._usage or TokenUsage(input=estimate_input(self._request))
        written = estimate_tokens("".join(self._text)) + estimate_tokens("".join(self._reasoning))
        called = sum(estimate_tokens(call.name + call.arguments) for call in ended.tool_calls) if ended else 0
        return replace(asked, output=written + called, estimated=True)

    def _reply(self, ended: Ended) -> Reply:
        return Reply(
            text="".join(self._text),
            finish=ended.finish,
            model=self._attempt.model,
            usage=self._attempt.amounts.tokens,
            tool_calls=ended.tool_calls,
            reasoning="".join(self._reasoning),
            quotes=ended.quotes or (),
            extractive=ended.quotes is not None,
        )


def _json_in(text: str) -> str:
    """The JSON of an answer, without the fence that models put around it."""
    stripped = text.strip()
    if stripped.startswith("```"):
        stripped = stripped.partition("\n")[2].rpartition("```")[0]
    return stripped.strip()


def _complaint(error: ValidationError) -> UserMessage:
    """What is wrong, in pydantic's words but without the values: they may be a document's."""
    found = [{"at": list(one["loc"]), "is": one["msg"]} for one in error.errors(include_input=False)[:10]]
    return UserMessage(
        f"That is not the JSON that was asked for: {json.dumps(found)} Answer again, with the JSON alone."
    )
