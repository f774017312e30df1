"""Chat completions, whole and in pieces."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response, StreamingResponse

from tillhouse.sandbox import ids
from tillhouse.sandbox.model.answering import (
    OfferedTool,
    Thought,
    answer,
    count_tokens,
    pieces,
    thinking,
)
from tillhouse.sandbox.model.reading import Prompt, read_prompt
from tillhouse.sandbox.openai.access import PREFIX, Authorised, call_headers
from tillhouse.sandbox.openai.schemas import ChatBody
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix=PREFIX, dependencies=[Authorised])

_REASONERS = ("reason", "deepseek-v4", "o3", "o4")


@router.post("/v1/chat/completions", response_model=None)
async def create(world: Here, body: ChatBody) -> Response | dict[str, Any]:
    """Answer a conversation."""
    body.check()
    prompt = _prompt(body)
    thought = _think(body, prompt)
    reasoning = thinking(prompt) if any(mark in body.model for mark in _REASONERS) else ""
    head = {
        "id": f"chatcmpl-{ids.token(29)}",
        "created": world.clock.now_s(),
        "model": body.model,
        "system_fingerprint": "fp_tillhouse",
        "service_tier": "default",
    }
    usage = _usage(body, thought, reasoning)
    if body.stream:
        asked = bool(body.stream_options and body.stream_options.include_usage)
        stream = _stream(world, head, thought, reasoning, usage if asked else None)
        headers = {**call_headers(), "cache-control": "no-cache"}
        return StreamingResponse(stream, media_type="text/event-stream; charset=utf-8", headers=headers)
    message: dict[str, Any] = {"role": "assistant", "content": thought.text or None, "refusal": None, "annotations": []}
    if reasoning:
        message["reasoning_content"] = reasoning
    if thought.calls:
        message["tool_calls"] = [_call(one, f"call_{ids.token(24)}") for one in thought.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": thought.finish}
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}


def _prompt(body: ChatBody) -> Prompt:
    system = "\n".join(one.text for one in body.messages if one.role in ("system", "developer"))
    return read_prompt(system, [one.text for one in body.messages if one.role in ("user", "tool")])


def _think(body: ChatBody, prompt: Prompt) -> Thought:
    form = body.response_format
    schema = None
    if form and form.type == "json_schema" and form.json_schema:
        schema = form.json_schema.schema_
    elif form and form.type == "json_object":
        schema = _schema_within(prompt.whole)
    offered = [OfferedTool(one.function.name, one.function.description, one.function.parameters) for one in body.tools]
    answered = body.messages[-1].role == "tool"
    return answer(
        body.model,
        prompt,
        tools=() if body.tool_choice == "none" or answered else offered,
        must_use=None if answered else body.must_use,
        schema=schema,
        most_tokens=body.most_tokens,
    )


def _schema_within(text: str) -> dict[str, Any]:
    """Where only JSON is asked for, the schema that the prompt spells out, if any."""
    place = text.find('{"')
    try:
        found = json.JSONDecoder().raw_decode(text[place:])[0] if place >= 0 else {}
    except ValueError:
        found = {}
    return (
        found if isinstance(found, dict) and "properties" in found else {"properties": {"answer": {"type": "string"}}}
    )


def _usage(body: ChatBody, thought: Thought, reasoning: str) -> dict[str, Any]:
    prompt = sum(count_tokens(one.text) + 4 for one in body.messages)
    thoughts = count_tokens(reasoning)
    written = count_tokens(thought.text) + sum(count_tokens(one.name + one.arguments) for one in thought.calls)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written + thoughts,
        "total_tokens": prompt + written + thoughts,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": thoughts, "audio_tokens": 0},
    }


async def _stream(
    world: World, head: dict[str, Any], thought: Thought, reasoning: str, usage: dict[str, Any] | None
) -> AsyncIterator[str]:
    """Events as the real API sends them; the comment keeps proxies awake, as DeepSeek's does."""
    told = {} if usage is None else {"usage": None}

    def event(delta: dict[str, Any], finish: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _data({**head, "object": "chat.completion.chunk", "choices": [choice], **told})

    yield ": keep-alive\n\n"
    yield event({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces(reasoning):
        yield event({"content": None, "reasoning_content": piece})
    for piece in pieces(thought.text):
        yield event({"content": piece})
        await asyncio.sleep(world.settings.token_seconds)
    for index, one in enumerate(thought.calls):
        yield event({"tool_calls": [{"index": index, **_call(one, f"call_{ids.token(24)}", arguments="")}]})
        for piece in pieces(one.arguments):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, thought.finish)
    if usage is not None:
        yield _data({**head, "object": "chat.completion.chunk", "choices": [], "usage": usage})
    yield "data: [DONE]\n\n"


def _call(call: Any, call_id: str, arguments: str | None = None) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments if arguments is None else arguments}
    return {"id": call_id, "type": "function", "function": function}


def _data(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"
