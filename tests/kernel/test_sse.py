"""Events are read however their bytes are cut; a stream is hung up on whatever happens."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from tillhouse.kernel.outbound import NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.sse import BrokenStream, ServerEvent, read_events

STREAM = (
    "\ufeff: keep-alive\n\n"
    'data: {"text": "नमस्ते"}\n\n'
    "event: delta\r\nid: 7\r\nretry: 10\r\ndata:no space\r\ndata:  two\r\n\r\n"
    ": another comment\n"
    "data\n\n"
    "event: nothing\n\n"
    "data: lost, because nothing ends it\n"
).encode()
EVENTS = [
    ServerEvent("message", '{"text": "नमस्ते"}'),
    ServerEvent("delta", "no space\n two"),
    ServerEvent("message", ""),
]


async def cut(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_events_are_the_same_wherever_the_bytes_are_cut(size: int) -> None:
    assert [event async for event in read_events(cut(STREAM, size))] == EVENTS
    assert [event async for event in read_events(cut(STREAM.replace(b"\r\n", b"\r"), size))] == EVENTS


async def test_a_line_or_an_event_without_end_does_not_fill_the_memory() -> None:
    for content in (b"x" * 1_000_000, b"data: y\n" * 100_000):

        async def endless(content: bytes = content) -> AsyncIterator[bytes]:
            for _ in range(1000):
                yield content

        with pytest.raises(BrokenStream):
            async for _ in read_events(endless()):
                pass


class _Body(httpx.AsyncByteStream):
    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        if self.error:
            raise self.error
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed = True


def answering(body: _Body) -> Outbound:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    return Outbound(mounts={"http://model": transport})


async def test_a_body_that_breaks_off_leaves_the_outcome_unknown() -> None:
    body = _Body(httpx.RemoteProtocolError("cut"))
    found = []
    with pytest.raises(OutcomeUnknown):
        async with answering(body).stream("model", "http://model/chat", json={}, silence=5) as answer:
            async for chunk in answer.chunks():
                found.append(chunk)
    assert found == [b"data: 1\n\n"]
    assert body.closed


async def test_leaving_the_block_hangs_up() -> None:
    body = _Body(None)
    async with answering(body).stream("model", "http://model/chat", json={}, silence=5) as answer:
        async for _ in answer.chunks():
            break
    assert body.closed


async def test_nobody_there_is_certainly_not_sent() -> None:
    outbound = Outbound()
    with pytest.raises(NotSent):
        async with outbound.stream("model", "http://127.0.0.1:9/", json={}, silence=5):
            pass
    await outbound.close()
