"""What goes over the wire to each kind of endpoint, and what odd answers are taken for."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.ai.domain.chat import (
    AssistantMessage,
    Begun,
    ChatEvent,
    ChatRequest,
    Ended,
    JsonShape,
    ReasoningDelta,
    TextDelta,
    TokenUsage,
    Tool,
    ToolCall,
    ToolMessage,
    Untrusted,
    UserMessage,
)
from tillhouse.parts.ai.domain.failures import ModelFailure
from tillhouse.parts.ai.ports.chat import ChatEndpoint
from tillhouse.parts.ai.providers.anthropic.chat import AnthropicChat
from tillhouse.parts.ai.providers.openai.chat import OpenAIChat
from tillhouse.parts.ai.providers.openai.dialects import Dialect

ASKED = ChatRequest(
    messages=(UserMessage("Who pays?", (Untrusted("Asha pays.", "a.pdf"),)),), system="Be brief.", most_tokens=50
)
SHAPED = ChatRequest(messages=(UserMessage("x"),), shape=JsonShape("Answer", {"type": "object", "properties": {}}))


class Wire:
    """An address that takes a request and answers with what it is given."""

    def __init__(self, answer: str = "", status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.answer = answer
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {}
        self.sent: httpx.Headers = httpx.Headers()
        self.outbound = Outbound(mounts={"http://x": httpx.MockTransport(self._take)})

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.body, self.sent = json.loads(request.content), request.headers
        return httpx.Response(self.status, content=self.answer.encode(), headers=self.headers)

    def openai(self, **differences: Any) -> OpenAIChat:
        return OpenAIChat(self.outbound, Dialect(**{"name": "e", "base": "http://x", "api_key": "k", **differences}))

    def anthropic(self) -> AnthropicChat:
        return AnthropicChat(self.outbound, "http://x", "k")


def events_of(*data: object, done: bool = True) -> str:
    lines = [f"data: {json.dumps(one)}\n\n" for one in data]
    return ": hello\n\n" + "".join(lines) + ("data: [DONE]\n\n" if done else "")


def delta(finish: str | None = None, **content: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": content, "finish_reason": finish}]}


async def all_of(endpoint: ChatEndpoint, request: ChatRequest = ASKED) -> Sequence[ChatEvent]:
    return [event async for event in endpoint.stream("m", request, 5)]


async def failure_of(endpoint: ChatEndpoint, request: ChatRequest = ASKED) -> ModelFailure:
    with pytest.raises(ModelFailure) as found:
        await all_of(endpoint, request)
    return found.value


STOPPED = events_of(delta(content="Asha"), delta("stop"))


async def test_the_longest_answer_and_the_shape_are_said_as_each_endpoint_understands_them() -> None:
    wire = Wire(STOPPED)
    await all_of(wire.openai(most_tokens_as="max_completion_tokens"))
    assert wire.body["max_completion_tokens"] == 50
    assert "max_tokens" not in wire.body
    assert wire.body["stream_options"] == {"include_usage": True}
    assert wire.sent["authorization"] == "Bearer k"
    await all_of(wire.openai(api_key=""))
    assert wire.body["max_tokens"] == 50
    assert "authorization" not in wire.sent
    await all_of(wire.openai(), SHAPED)
    assert wire.body["response_format"]["json_schema"]["name"] == "Answer"
    await all_of(wire.openai(shapes="json_object"), SHAPED)
    assert wire.body["response_format"] == {"type": "json_object"}
    assert '{"type": "object", "properties": {}}' in wire.body["messages"][0]["content"]  # DeepSeek is told in words


async def test_material_stands_fenced_before_the_question_and_the_rule_with_the_system() -> None:
    wire = Wire(STOPPED)
    await all_of(wire.openai())
    system, user = wire.body["messages"]
    assert system["content"].startswith("Be brief.\n\nText between <document> and </document>")
    assert user["content"] == '<document id="1" source="a.pdf">\nAsha pays.\n</document>\n\nWho pays?'


async def test_pieces_reasoning_usage_and_the_reason_to_finish_are_read() -> None:
    wire = Wire(
        events_of(
            delta(role="assistant", content=""),
            delta(reasoning_content="Hm."),
            delta(content="Asha"),
            delta(content=None, refusal=" no"),
            delta("length"),
            {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 4}},
        ),
        headers={"x-request-id": "req_9"},
    )
    assert await all_of(wire.openai()) == [
        Begun("req_9"),
        ReasoningDelta("Hm."),
        TextDelta("Asha"),
        TextDelta(" no"),
        Ended("length", TokenUsage(9, 3, 4)),
    ]


async def test_calls_of_tools_are_joined_from_their_pieces() -> None:
    first = {"index": 0, "id": "c0", "type": "function", "function": {"name": "pay", "arguments": ""}}
    other = {"index": 1, "id": "c1", "function": {"name": "look", "arguments": "{}"}}
    pieces = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"to": ', '"Asha"}')]
    wire = Wire(
        events_of(
            delta(tool_calls=[first]),
            delta(tool_calls=[pieces[0], other]),
            delta(tool_calls=[pieces[1]]),
            delta("tool_calls"),
        )
    )
    tools = (Tool("pay", "Pays", {"type": "object"}),)
    ended = (await all_of(wire.openai(), ChatRequest(messages=(UserMessage("x"),), tools=tools)))[-1]
    assert isinstance(ended, Ended)
    assert ended.tool_calls == (ToolCall("c0", "pay", '{"to": "Asha"}'), ToolCall("c1", "look", "{}"))
    assert ended.usage is None


def piece(name: str | None, arguments: str, **more: Any) -> dict[str, Any]:
    return delta(tool_calls=[{**more, "function": {"name": name, "arguments": arguments}}])


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        # without an index: each that has a name is a call, what has none goes on with the last
        ([piece("pay", "{", id="a"), piece(None, "}"), piece("look", "{}", id="b")], [("a", "pay"), ("b", "look")]),
        ([piece("pay", "{}", id=""), piece("pay", "{}", id="")], [("", "pay"), ("", "pay")]),
        ([piece("pay", "{", id="a"), piece("pay", "}", id="a")], [("a", "pay")]),
        # one index for all
        ([piece("pay", "{}", index=0, id="a"), piece("pay", "{}", index=0, id="b")], [("a", "pay"), ("b", "pay")]),
        # another id with every piece of one call, as vLLM once had it
        ([piece("pay", "{", index=0, id="a"), piece(None, "}", index=0, id="b")], [("a", "pay")]),
        # a name that is said again without an id
        ([piece("pay", "{", index=0, id="a"), piece("pay", "}", index=0)], [("a", "pay")]),
    ],
)
async def test_calls_are_told_apart_where_no_index_does_it(
    pieces: list[dict[str, Any]], calls: list[tuple[str, str]]
) -> None:
    ended = (await all_of(Wire(events_of(*pieces, delta("stop"))).openai()))[-1]
    assert isinstance(ended, Ended)
    assert ended.finish == "tool_calls"
    assert ended.tool_calls == tuple(ToolCall(named, name, "{}") for named, name in calls)


async def test_an_end_without_done_is_one_where_a_reason_stands_and_a_cut_where_none_does() -> None:
    whole = await all_of(Wire(events_of(delta(content="a"), delta("stop"), done=False)).openai())
    assert isinstance(whole[-1], Ended)
    cut = await failure_of(Wire(events_of(delta(content="a"), done=False)).openai())
    assert cut.trouble == "cut"
    assert (await failure_of(Wire("").openai())).trouble == "cut"


@pytest.mark.parametrize(
    ("status", "body", "headers", "trouble", "detail", "patience"),
    [
        (429, {"error": {"code": "rate_limit_exceeded"}}, {"retry-after-ms": "20"}, "busy", "rate_limit_exceeded",
         0.02),
        (429, {"error": {"code": "insufficient_quota"}}, {"retry-after": "3"}, "refused", "insufficient_quota", 3.0),
        (529, {"type": "error", "error": {"type": "overloaded_error"}}, {}, "down", "overloaded_error", None),
        (500, "oops", {"retry-after": "soon"}, "down", "", None),
        (408, {}, {}, "down", "", None),
        (400, {"error": {"message": "the prompt: my PAN is …", "type": "invalid_request_error", "code": None}}, {},
         "refused", "invalid_request_error", None),
        (401, {"error": {"code": "My key is sk-123, why?"}}, {}, "refused", "", None),
        (302, "", {}, "refused", "", None),
    ],
)  # fmt: skip
async def test_what_a_refusal_means(  # noqa: PLR0917
    status: int, body: object, headers: dict[str, str], trouble: str, detail: str, patience: float | None
) -> None:
    wire = Wire(body if isinstance(body, str) else json.dumps(body), status, {**headers, "request-id": "req_1"})
    for endpoint in (wire.openai(), wire.anthropic()):
        found = await failure_of(endpoint)
        assert found.trouble == trouble
        assert found.detail == f"http_{status}" + (f":{detail}" if detail else "")
        assert found.retry_after == patience
        assert found.request_id == "req_1"


async def test_an_error_within_a_stream_is_a_refusal_to_begin_or_a_cut() -> None:
    error = {"error": {"message": "overloaded: my PAN is …", "code": "server_error"}}
    early, late = events_of(error), events_of(delta(content="a"), error)
    assert (await failure_of(Wire(early).openai())).trouble == "down"
    assert (await failure_of(Wire(late).openai())).trouble == "cut"
    assert (await failure_of(Wire("data: {not json}\n\n").openai())).trouble == "nonsense"
    assert (await failure_of(Wire('data: {"choices": 7}\n\n').openai())).trouble == "nonsense"


# --- Anthropic -------------------------------------------------------------------------------------------------------


def named(*data: dict[str, Any]) -> str:
    return "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in data)


START = {
    "type": "message_start",
    "message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}},
}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Asha"}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}
STOP = {"type": "message_stop"}


async def test_anthropics_events_are_read_and_cached_tokens_counted_among_the_input() -> None:
    thought = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}
    wire = Wire(named(START, {"type": "ping"}, {"type": "new_kind"}, thought, TEXT, END, STOP))
    assert await all_of(wire.anthropic()) == [
        Begun("", TokenUsage(12, 1, 7)),
        ReasoningDelta("Hm."),
        TextDelta("Asha"),
        Ended("stop", TokenUsage(12, 4, 7)),
    ]
    assert wire.body["system"].startswith("Be brief.")
    assert wire.body["max_tokens"] == 50
    assert wire.sent["x-api-key"] == "k"
    assert wire.sent["anthropic-version"] == "2023-06-01"


async def test_anthropics_errors_within_a_stream_and_cuts() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "…"}}
    assert (await failure_of(Wire(named(START, error)).anthropic())).trouble == "down"
    assert (await failure_of(Wire(named(START, TEXT, error)).anthropic())).detail == "overloaded_error"
    assert (await failure_of(Wire(named(START, TEXT, END)).anthropic())).trouble == "cut"


async def test_anthropic_is_given_turns_and_tool_results_as_it_wants_them() -> None:
    wire = Wire(named(START, TEXT, END, STOP))
    call = ToolCall("t1", "pay", '{"to": "Asha"}')
    request = ChatRequest(
        messages=(
            UserMessage("Pay."),
            UserMessage("Quickly."),
            AssistantMessage("", (call,)),
            ToolMessage("t1", "Paid."),
            UserMessage("Thanks."),
        ),
        tools=(Tool("pay", "Pays", {"type": "object"}),),
    )
    await all_of(wire.anthropic(), request)
    assert [one["role"] for one in wire.body["messages"]] == ["user", "assistant", "user"]
    assert wire.body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "t1", "name": "pay", "input": {"to": "Asha"}}
    ]
    assert [one["type"] for one in wire.body["messages"][2]["content"]] == ["tool_result", "text"]


async def test_anthropics_shape_is_the_input_of_the_one_tool_that_must_be_used() -> None:
    start = {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "tool_use", "id": "t", "name": "answer"},
    }
    piece = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'},
    }
    ended = {**END, "delta": {"stop_reason": "tool_use"}}
    wire = Wire(named(START, start, piece, ended, STOP))
    found = await all_of(wire.anthropic(), SHAPED)
    assert found[1:] == [TextDelta('{"a": 1}'), Ended("stop", TokenUsage(12, 4, 7))]
    assert wire.body["tool_choice"] == {"type": "tool", "name": "answer"}
