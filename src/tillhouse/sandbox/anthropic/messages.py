"""Messages, whole and in pieces."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox import ids
from tillhouse.sandbox.anthropic.errors import AnthropicError
from tillhouse.sandbox.model.answering import OfferedTool, Thought, answer, count_tokens, pieces
from tillhouse.sandbox.model.reading import read_prompt
from tillhouse.sandbox.world import Here, World

PREFIX = "/anthropic"


class _Wire(BaseModel):
    model_config = ConfigDict(extra="ignore")


class Block(_Wire):
    """A block of a message."""

    type: str
    text: str = ""
    content: str | list[dict[str, Any]] | None = None

    @property
    def said(self) -> str:
        if self.type == "tool_result":
            found = self.content or ""
            return found if isinstance(found, str) else "\n".join(str(one.get("text", "")) for one in found)
        return self.text


class Message(_Wire):
    """One message: roles take turns, beginning with the user."""

    role: Literal["user", "assistant"]
    content: str | list[Block]

    @property
    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "\n".join(one.said for one in self.content)

    @property
    def is_result(self) -> bool:
        return not isinstance(self.content, str) and any(one.type == "tool_result" for one in self.content)


class Tool(_Wire):
    """A tool of the caller's."""

    name: str
    description: str = ""
    input_schema: dict[str, Any]


class ToolChoice(_Wire):
    """Whether and which tool must be used."""

    type: Literal["auto", "any", "tool", "none"]
    name: str = ""


class MessagesBody(_Wire):
    """`POST /v1/messages`."""

    model: str = Field(min_length=1)
    max_tokens: int = Field(ge=1)
    messages: list[Message] = Field(min_length=1)
    system: str | list[Block] = ""
    stream: bool = False
    temperature: float | None = Field(default=None, ge=0, le=1)
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None


def _authorised(
    world: Here,
    response: Response,
    x_api_key: Annotated[str, Header()] = "",
    authorization: Annotated[str, Header()] = "",
    anthropic_version: Annotated[str, Header()] = "",
) -> None:
    # The header of the documentation, or the one that newer SDKs send.
    if (x_api_key or authorization.removeprefix("Bearer ")) != world.settings.anthropic_api_key:
        raise AnthropicError("invalid x-api-key", 401)
    if not anthropic_version:
        raise AnthropicError("anthropic-version: header is required")
    response.headers.update(_headers())


router = APIRouter(prefix=PREFIX, dependencies=[Depends(_authorised)])


@router.post("/v1/messages", response_model=None)
async def create(world: Here, body: MessagesBody) -> Response | dict[str, Any]:
    """Answer a conversation."""
    if body.messages[0].role != "user":
        raise AnthropicError('messages: first message must use the "user" role')
    thought = _think(body)
    message = {
        "id": f"msg_{ids.token(24)}",
        "type": "message",
        "role": "assistant",
        "model": body.model,
        "stop_sequence": None,
    }
    system = body.system if isinstance(body.system, str) else "\n".join(one.text for one in body.system)
    read = count_tokens(system) + sum(count_tokens(one.text) + 4 for one in body.messages)
    written = count_tokens(thought.text) + sum(count_tokens(one.name + one.arguments) for one in thought.calls)
    if body.stream:
        stream = _stream(world, message, thought, read, written)
        headers = {**_headers(), "cache-control": "no-cache"}
        return StreamingResponse(stream, media_type="text/event-stream; charset=utf-8", headers=headers)
    content: list[dict[str, Any]] = [{"type": "text", "text": thought.text}] if thought.text else []
    content += [{**_tool_use(one.name), "input": json.loads(one.arguments)} for one in thought.calls]
    usage = {**_usage(read), "output_tokens": written}
    return {**message, "content": content, "stop_reason": _reason(thought), "usage": usage}


def _think(body: MessagesBody) -> Thought:
    system = body.system if isinstance(body.system, str) else "\n".join(one.text for one in body.system)
    prompt = read_prompt(system, [one.text for one in body.messages if one.role == "user"])
    offered = [OfferedTool(one.name, one.description, one.input_schema) for one in body.tools]
    choice = body.tool_choice
    answered = body.messages[-1].is_result
    must_use = {"any": "", "tool": choice.name}.get(choice.type) if choice and not answered else None
    allowed = () if answered or (choice and choice.type == "none") else offered
    return answer(body.model, prompt, tools=allowed, must_use=must_use, most_tokens=body.max_tokens)


async def _stream(
    world: World, message: dict[str, Any], thought: Thought, read: int, written: int
) -> AsyncIterator[str]:
    start = {**message, "content": [], "stop_reason": None, "usage": {**_usage(read), "output_tokens": 1}}
    yield _event("message_start", message=start)
    yield _event("ping")
    index = 0
    if thought.text:
        yield _event("content_block_start", index=0, content_block={"type": "text", "text": ""})
        for piece in pieces(thought.text):
            yield _event("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            await asyncio.sleep(world.settings.token_seconds)
        yield _event("content_block_stop", index=0)
        index = 1
    for number, one in enumerate(thought.calls, index):
        yield _event("content_block_start", index=number, content_block={**_tool_use(one.name), "input": {}})
        for piece in ("", *pieces(one.arguments)):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _event("content_block_delta", index=number, delta=delta)
        yield _event("content_block_stop", index=number)
    ending = {"stop_reason": _reason(thought), "stop_sequence": None}
    yield _event("message_delta", delta=ending, usage={"output_tokens": written})
    yield _event("message_stop")


def _event(name: str, **content: Any) -> str:
    return f"event: {name}\ndata: {json.dumps({'type': name, **content}, ensure_ascii=False)}\n\n"


def _reason(thought: Thought) -> str:
    return {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}[thought.finish]


def _tool_use(name: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{ids.token(24)}", "name": name}


def _usage(read: int) -> dict[str, Any]:
    return {"input_tokens": read, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}


def _headers() -> dict[str, str]:
    return {
        "request-id": f"req_{ids.token(24)}",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-tokens-limit": "400000",
        "anthropic-ratelimit-tokens-remaining": "399000",
    }
