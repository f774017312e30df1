"""Chat completions, in pieces (https://platform.openai.com/docs/api-reference/chat/create)."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from tillhouse.kernel.outbound import Outbound, Streamed
from tillhouse.kernel.sse import read_events
from tillhouse.parts.ai.domain.chat import (
    AssistantMessage,
    Begun,
    ChatEvent,
    ChatRequest,
    Ended,
    FinishReason,
    Message,
    ReasoningDelta,
    TextDelta,
    TokenUsage,
    ToolCall,
    ToolMessage,
)
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.domain.material import RULE, fenced
from tillhouse.parts.ai.providers.answers import Progress, error_within, read, refusal, request_id, translated
from tillhouse.parts.ai.providers.openai.dialects import Dialect
from tillhouse.parts.ai.providers.openai.wire import Chunk, Delta, ToolCallPart, Usage

_FINISHES: Mapping[str, FinishReason] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls",
    "content_filter": "content_filter",
}  # fmt: skip


class OpenAIChat:
    """One address that speaks the format."""

    def __init__(self, outbound: Outbound, dialect: Dialect) -> None:
        self._outbound = outbound
        self._dialect = dialect

    @property
    def name(self) -> str:
        return self._dialect.name

    async def stream(self, model: str, request: ChatRequest, silence: float) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it comes. See `ports.chat`."""
        progress = Progress()
        sending = self._outbound.stream(
            self.name,
            f"{self._dialect.base}/chat/completions",
            json=_body(model, request, self._dialect),
            headers=self._dialect.headers,
            silence=silence,
        )
        with translated(progress):
            async with sending as answer:
                progress.request_id = request_id(answer.headers)
                if not answer.ok:
                    raise refusal(answer.status, answer.headers, await answer.beginning())
                progress.accepted = True
                yield Begun(progress.request_id)
                async with aclosing(_events(answer, progress)) as events:
                    async for event in events:
                        yield event


async def _events(answer: Streamed, progress: Progress) -> AsyncGenerator[ChatEvent, None]:
    reading = _Reading(progress)
    async with aclosing(read_events(answer.chunks())) as events:
        async for event in events:
            if event.data == "[DONE]":
                yield reading.ended()
                return
            for found in reading.take(event.data):
                yield found
    # Some servers leave [DONE] out; without a reason to finish, the end is a cut.
    yield reading.ended()


class _Reading:
    """What has come so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._finish: str | None = None
        self._usage: TokenUsage | None = None
        self._calls: list[ToolCall] = []
        self._last: dict[int | None, int] = {}  # which of the calls came last under an index
        self._shown = False

    def take(self, data: str) -> list[TextDelta | ReasoningDelta]:
        chunk = read(Chunk, data, self._progress.request_id)
        if chunk.error:
            raise error_within(chunk.error.word, shown=self._shown, request_id=self._progress.request_id)
        if chunk.usage:
            self._usage = _usage(chunk.usage)
        if not chunk.choices:
            return []
        choice = chunk.choices[0]
        self._finish = choice.finish_reason or self._finish
        for part in choice.delta.tool_calls or ():
            self._join(part)
        found = _pieces(choice.delta)
        self._shown = self._shown or bool(found)
        return found

    def ended(self) -> Ended:
        if self._finish is None:
            raise ModelFailure("cut", "no_finish", request_id=self._progress.request_id)
        finish = _FINISHES.get(self._finish, "stop")
        if finish == "stop" and self._calls:  # as Gemini ends them
            finish = "tool_calls"
        return Ended(finish, self._usage, tuple(self._calls))

    def _join(self, part: ToolCallPart) -> None:
        if part.index not in self._last or _begins(part, self._calls[self._last[part.index]]):
            self._last[part.index] = len(self._calls)
            self._calls.append(ToolCall("", "", ""))
        at = self._last[part.index]
        before = self._calls[at]
        self._calls[at] = ToolCall(
            before.id or part.id or "",
            part.function.name or before.name,
            before.arguments + (part.function.arguments or ""),
        )


def _begins(part: ToolCallPart, last: ToolCall) -> bool:
    """Whether a piece is of another call than the last under its index.

    Where no index is named, or the same one for all, a call begins with its name. An id alone says nothing: vLLM gave
    every piece another.
    """
    if not part.function.name or (part.id and part.id == last.id):
        return False
    return part.index is None or bool(part.id and last.id)


def _pieces(delta: Delta) -> list[TextDelta | ReasoningDelta]:
    found: list[TextDelta | ReasoningDelta] = []
    if thought := delta.reasoning_content or delta.reasoning:
        found.append(ReasoningDelta(thought))
    if text := delta.content or delta.refusal:
        found.append(TextDelta(text))
    return found


def _usage(usage: Usage) -> TokenUsage:
    details = usage.prompt_tokens_details.cached_tokens if usage.prompt_tokens_details else None
    return TokenUsage(usage.prompt_tokens, usage.completion_tokens, details or usage.prompt_cache_hit_tokens or 0)


def _body(model: str, request: ChatRequest, dialect: Dialect) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request, dialect),
        "stream": True,
        "stream_options": {"include_usage": True},
        dialect.most_tokens_as: request.most_tokens,
    }
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {"name": one.name, "description": one.description, "parameters": one.parameters},
            }
            for one in request.tools
        ]
    if request.shape and dialect.shapes == "json_schema":
        shape = {"name": request.shape.name, "schema": request.shape.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": shape}
    elif request.shape:
        body["response_format"] = {"type": "json_object"}
    return body


def _messages(request: ChatRequest, dialect: Dialect) -> list[dict[str, Any]]:
    system = [part for part in (request.system, RULE if request.material else "") if part]
    if request.shape and dialect.shapes == "json_object":
        system.append(f"Answer with one JSON object of this JSON schema alone: {json.dumps(request.shape.schema)}")
    messages: list[dict[str, Any]] = [{"role": "system", "content": "\n\n".join(system)}] if system else []
    number = 1
    for message in request.messages:
        messages.append(_message(message, number))
        number += len(getattr(message, "material", ()))
    return messages


def _message(message: Message, first: int) -> dict[str, Any]:
    if isinstance(message, ToolMessage):
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if isinstance(message, AssistantMessage):
        calls = [
            {"id": one.id, "type": "function", "function": {"name": one.name, "arguments": one.arguments}}
            for one in message.tool_calls
        ]
        said = {"role": "assistant", "content": message.text}
        return {**said, "tool_calls": calls} if calls else said
    return {"role": "user", "content": fenced(message, first)}
