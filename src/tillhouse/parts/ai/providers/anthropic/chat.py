"""Messages in pieces (https://docs.anthropic.com/en/api/messages-streaming).

A shape is asked for as the one tool that must be used: its input is then JSON that the endpoint checks against the
schema. That tool does nothing, so that material may be there too.
"""

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
from tillhouse.parts.ai.providers.anthropic.wire import Event, Usage

_VERSION = "2023-06-01"
_SHAPE = "answer"
_FINISHES: Mapping[str, FinishReason] = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "max_tokens": "length",
    "model_context_window_exceeded": "length", "tool_use": "tool_calls", "refusal": "content_filter",
}  # fmt: skip


class AnthropicChat:
    """Anthropic's own format."""

    name = "anthropic"

    def __init__(self, outbound: Outbound, base: str, api_key: str) -> None:
        self._outbound = outbound
        self._url = f"{base}/v1/messages"
        self._headers = {"x-api-key": api_key, "anthropic-version": _VERSION}

    async def stream(self, model: str, request: ChatRequest, silence: float) -> AsyncGenerator[ChatEvent, None]:
        """The answer as it comes. See `ports.chat`."""
        progress = Progress()
        sending = self._outbound.stream(
            self.name, self._url, json=_body(model, request), headers=self._headers, silence=silence
        )
        with translated(progress):
            async with sending as answer:
                progress.request_id = request_id(answer.headers)
                if not answer.ok:
                    raise refusal(answer.status, answer.headers, await answer.beginning())
                progress.accepted = True
                async with aclosing(_events(answer, progress, shaped=request.shape is not None)) as events:
                    async for event in events:
                        yield event


async def _events(answer: Streamed, progress: Progress, *, shaped: bool) -> AsyncGenerator[ChatEvent, None]:
    reading = _Reading(progress, shaped=shaped)
    async with aclosing(read_events(answer.chunks())) as events:
        async for event in events:
            found = read(Event, event.data, progress.request_id)
            if found.type == "message_stop":
                yield reading.ended()
                return
            for piece in reading.take(found):
                yield piece
    raise ModelFailure("cut", "no_stop", request_id=progress.request_id)


class _Reading:
    """What has come so far."""

    def __init__(self, progress: Progress, *, shaped: bool) -> None:
        self._progress = progress
        self._shaped = shaped
        self._usage = TokenUsage()
        self._finish: str | None = None
        self._calls: dict[int, ToolCall] = {}
        self._shown = False

    def take(self, event: Event) -> list[ChatEvent]:
        if event.error:
            raise error_within(event.error.type, shown=self._shown, request_id=self._progress.request_id)
        if event.message:
            self._usage = _counted(event.message.usage, self._usage)
            return [Begun(self._progress.request_id, self._usage)]
        if event.content_block and event.content_block.type == "tool_use":
            self._calls[event.index] = ToolCall(event.content_block.id, event.content_block.name, "")
        if event.usage:
            self._usage = _counted(event.usage, self._usage)
        found = self._delta(event)
        self._shown = self._shown or bool(found)
        return found

    def ended(self) -> Ended:
        finish = _FINISHES.get(self._finish or "", "stop")
        if self._shaped:  # the call of the one tool is the answer
            return Ended("stop" if finish == "tool_calls" else finish, self._usage)
        return Ended(finish, self._usage, tuple(self._calls[index] for index in sorted(self._calls)))

    def _delta(self, event: Event) -> list[ChatEvent]:
        delta = event.delta
        if delta is None:
            return []
        self._finish = delta.stop_reason or self._finish
        if delta.text and not self._shaped:
            return [TextDelta(delta.text)]
        if delta.thinking:
            return [ReasoningDelta(delta.thinking)]
        if delta.partial_json:
            return self._arguments(event.index, delta.partial_json)
        return []

    def _arguments(self, index: int, piece: str) -> list[ChatEvent]:
        if self._shaped:  # the input of the one tool is the answer
            return [TextDelta(piece)]
        if before := self._calls.get(index):
            self._calls[index] = ToolCall(before.id, before.name, before.arguments + piece)
        return []


def _counted(usage: Usage, before: TokenUsage) -> TokenUsage:
    """The newest counts: later events repeat them, the last has the whole output. Cached tokens count as input."""
    output = before.output if usage.output_tokens is None else usage.output_tokens
    if usage.input_tokens is None:
        return TokenUsage(before.input, output, before.cached)
    cached = usage.cache_read_input_tokens or 0
    whole = usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0)
    return TokenUsage(whole, output, cached)


def _body(model: str, request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request),
        "max_tokens": request.most_tokens,
        "stream": True,
    }
    if system := "\n\n".join(part for part in (request.system, RULE if request.material else "") if part):
        body["system"] = system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    tools = [{"name": t.name, "description": t.description, "input_schema": t.parameters} for t in request.tools]
    if request.shape:
        tools.append({"name": _SHAPE, "description": "The answer.", "input_schema": dict(request.shape.schema)})
        body["tool_choice"] = {"type": "tool", "name": _SHAPE}
    if tools:
        body["tools"] = tools
    return body


def _messages(request: ChatRequest) -> list[dict[str, Any]]:
    """User and assistant in turn, as the API wants them: what two neighbours of one role say becomes one message."""
    messages: list[dict[str, Any]] = []
    number = 1
    for message in request.messages:
        role, blocks = _blocks(message, number)
        number += len(getattr(message, "material", ()))
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += blocks
        else:
            messages.append({"role": role, "content": blocks})
    return messages


def _blocks(message: Message, first: int) -> tuple[str, list[dict[str, Any]]]:
    if isinstance(message, ToolMessage):
        return "user", [{"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}]
    if isinstance(message, AssistantMessage):
        said = [{"type": "text", "text": message.text}] if message.text else []
        return "assistant", said + [
            {"type": "tool_use", "id": one.id, "name": one.name, "input": _arguments(one)} for one in message.tool_calls
        ]
    return "user", [{"type": "text", "text": fenced(message, first)}]


def _arguments(call: ToolCall) -> object:
    try:
        found = json.loads(call.arguments or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
