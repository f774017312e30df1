"""Server-sent events, read as they come (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import codecs
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

_MOST = 4_000_000  # characters of one event: a server that never ends one must not fill our memory


class BrokenStream(Exception):
    """What came is not a stream of events."""


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event: its name (`message` where it has none) and its data, the lines joined by newlines."""

    name: str
    data: str


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerEvent, None]:
    """The events of a stream. Comments (keep-alive) and fields that say nothing are skipped; an event that the end of
    the stream cuts off is dropped, as the standard has it. Raises `BrokenStream`.
    """
    name, data, size = "", list[str](), 0
    async for line in _lines(chunks):
        size += len(line)
        if size > _MOST:
            raise BrokenStream("an event without end")
        if not line:
            if data:
                yield ServerEvent(name or "message", "\n".join(data))
            name, data, size = "", [], 0
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            data.append(value)
        elif field == "event":
            name = value


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """Lines ended by CR LF, LF or CR, wherever the chunks are cut. A last one that is not ended is none."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")(errors="replace")
    rest = ""
    async for chunk in chunks:
        rest += decoder.decode(chunk)
        if len(rest) > _MOST:
            raise BrokenStream("a line without end")
        held = rest.endswith("\r")  # its LF may be in the next chunk
        *lines, rest = (rest[:-1] if held else rest).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        for line in lines:
            yield line
        rest += "\r" if held else ""
