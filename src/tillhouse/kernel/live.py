"""Live updates: a message to whoever watches a channel now, over LISTEN/NOTIFY, as server-sent events.

    live.publish(session, f"person:{person_id}", {"what": "wallet", "id": str(wallet_id)})   # after the commit
    return live.sse_response(house, f"person:{principal.person_id}")                          # in a GET route

A message is a hint to look again, not a record: it may be lost, and holds ids rather than content. Who may watch a
channel is for the route to decide, before it asks for the stream.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from fastapi.responses import StreamingResponse

from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, Session, after_commit, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.signals import Listener, notifier_of

_CHANNEL = "till_live"
_LONGEST = 7_500  # bytes; PostgreSQL refuses a payload of 8,000
_WAITING = 100  # messages kept for a watcher that is slow to read
_HEARTBEAT_SECONDS = 15.0  # proxies close what stays silent for longer
_RETRY_MILLISECONDS = 2_000


def publish(session: Session, channel: str, message: JsonObject) -> None:
    """Send `message` to the watchers of `channel` once this transaction has committed.

    Raises `ValueError` for a message too long to be a hint.
    """
    payload = json.dumps({"channel": channel, "message": message}, separators=(",", ":"))
    if len(payload.encode()) > _LONGEST:
        raise ValueError(f"a live message of {len(payload)} characters: send an id and let the watcher look")
    notifier = notifier_of(house_of(session))
    after_commit(session, lambda: notifier.send(_CHANNEL, payload))


@dataclass(frozen=True, slots=True)
class LiveTopic:
    """Something that a person may hear about, provided by the module that tells it with `tell`."""

    name: str
    permission: str


class Standing(Protocol):
    """Whether the session of a caller still stands. Plugged in by the part that knows people."""

    async def __call__(self, house: House, principal: Principal) -> bool: ...


@dataclass(frozen=True, slots=True)
class SessionsStand:
    """What the part that knows people provides, so that a socket ends with its session."""

    standing: Standing


def person_channel(person_id: UUID) -> str:
    """The channel on which a person's own news is told: `publish(session, person_channel(id), …)`."""
    return f"person:{person_id}"


def tell(session: Session, person_id: UUID, topic: str, **facts: str) -> None:
    """Tell a person, once this transaction has committed, that something of theirs changed: ids and states alone."""
    publish(session, person_channel(person_id), {"topic": topic, **facts})


def session_ended(session: Session, person_id: UUID) -> None:
    """Have the person's sockets look, once this transaction has committed, whether their session still stands."""
    publish(session, person_channel(person_id), {"ended": True})


async def watch(house: House, channel: str) -> AsyncGenerator[JsonObject, None]:
    """The messages of one channel from now on: listening has begun when this returns. Close the generator after use.

    After a break of the database's connection, and for a watcher that was too slow, comes `{"missed": true}`: look
    again. All watchers of a process share one connection.
    """
    hub = await _hub_of(house)
    messages = _messages(hub, channel)
    await anext(messages)
    return messages


@asynccontextmanager
async def watching(house: House, channel: str) -> AsyncIterator[asyncio.Queue[JsonObject]]:
    """The messages of one channel as a queue, from now on: for whoever waits for other things too."""
    hub = await _hub_of(house)
    with hub.watching(channel) as waiting:
        yield waiting


def sse_response(house: House, channel: str) -> StreamingResponse:
    """The channel as `text/event-stream`: `event: message` with JSON data, and a comment when nothing happens."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(house, channel), media_type="text/event-stream", headers=headers)


async def _events(house: House, channel: str) -> AsyncIterator[str]:
    hub = await _hub_of(house)
    with hub.watching(channel) as waiting:
        yield f"retry: {_RETRY_MILLISECONDS}\n\n"
        while not hub.closed:
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    message = await waiting.get()
            except TimeoutError:
                yield ": still here\n\n"
            else:
                yield f"event: message\ndata: {json.dumps(message, separators=(',', ':'))}\n\n"


async def _messages(hub: "_Hub", channel: str) -> AsyncGenerator[JsonObject, None]:
    with hub.watching(channel) as waiting:
        yield {}  # it watches now
        while True:
            yield await waiting.get()


class _Hub:
    """One listening connection, fanned out to the watchers of this process."""

    def __init__(self, house: House) -> None:
        self._listener = Listener(house.settings.database_url, self._received)
        self._watchers: dict[str, set[asyncio.Queue[JsonObject]]] = {}
        self.closed = False

    async def start(self) -> None:
        await self._listener.listen(_CHANNEL)

    async def close(self) -> None:
        self.closed = True
        await self._listener.close()

    @contextmanager
    def watching(self, channel: str) -> Iterator[asyncio.Queue[JsonObject]]:
        waiting: asyncio.Queue[JsonObject] = asyncio.Queue(_WAITING)
        self._watchers.setdefault(channel, set()).add(waiting)
        try:
            yield waiting
        finally:
            self._watchers[channel].discard(waiting)
            if not self._watchers[channel]:
                del self._watchers[channel]

    def _received(self, _channel: str, payload: str) -> None:
        if payload:
            found = json.loads(payload)
            self._hand_out(self._watchers.get(found["channel"], set()), found["message"])
        else:
            for watchers in self._watchers.values():
                self._hand_out(watchers, {"missed": True})

    def _hand_out(self, watchers: set[asyncio.Queue[JsonObject]], message: JsonObject) -> None:
        for waiting in watchers:
            if waiting.full():  # who is that slow looks at everything again
                while not waiting.empty():
                    waiting.get_nowait()
                waiting.put_nowait({"missed": True})
            waiting.put_nowait(message)


async def _hub_of(house: House) -> _Hub:
    for found in house.provided(_Hub):
        return found
    hub = _Hub(house)
    house.provide([hub])
    house.on_close(hub.close)
    await hub.start()
    return hub
