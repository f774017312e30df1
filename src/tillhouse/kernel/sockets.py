"""`/ws`: what changed for the person who is signed in, over one WebSocket.

A browser comes with its cookie, from our own pages alone (another site could open a socket with it too); a phone app
with `?ticket=`, which is good once. Whoever it is hears their own channel and nothing else, of the topics that modules
provide and their permissions allow. Messages are JSON objects, hints to look again:

    ← {"type": "ready", "topics": ["payments", …], "heartbeat": 25}
    ← {"type": "change", "topic": "payments", "id": "…", "status": "captured"}
    ← {"type": "missed"}                              something was lost: look at everything again
    ← {"type": "heartbeat"}                           nothing happened, and the session still stands
    → {"type": "subscribe", "topics": ["payouts"]}    from now on these alone
    → {"type": "ping"}                                ← {"type": "pong"}

It is closed with 1008 (not understood, or too many messages), 1009 (too large), 1012 (the house restarts: come back),
1013 (reads too slowly) or 4401 (the session has ended).
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import APIRouter, Request, WebSocket
from limits import parse
from prometheus_client import Counter as Count
from prometheus_client import Gauge
from pydantic import BaseModel, ValidationError
from starlette.websockets import WebSocketDisconnect, WebSocketState

from tillhouse.kernel import live
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import DomainError, Forbidden, NotAuthenticated, TooManyRequests
from tillhouse.kernel.house import House
from tillhouse.kernel.http import problem_json
from tillhouse.kernel.limits import client_address, limiter_of
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.csrf import is_same_origin

PATH = "/ws"
LARGEST_MESSAGE = 4_096  # bytes of what a client sends; the server itself takes no more than 16 times that
LONGEST_QUEUE_SECONDS = 10.0  # a client that does not read for so long is let go

_HANDSHAKES = parse("60/minute")
_INCOMING = 30  # messages that a client may send within a heartbeat
_WRONG, _TOO_LARGE, _TOO_SLOW, _SIGNED_OUT = 1008, 1009, 1013, 4401

_OPEN = Gauge("live_connections", "WebSockets that are open in this process")
_SENT = Count("live_messages", "Messages sent over WebSockets", ["type"])
_ENDED = Count("live_closed", "WebSockets that were closed by the house, by why", ["code"])


@dataclass(slots=True)
class Sockets:
    """The sockets of this process: counted, so that one person or a crowd cannot take all of it."""

    per_person: int
    in_all: int
    heartbeat: float = 25.0
    open: Counter[UUID] = field(default_factory=Counter)

    @contextmanager
    def room_for(self, person_id: UUID) -> Iterator[None]:
        """A place for one more. Raises `TooManyRequests` when there is none."""
        if self.open[person_id] >= self.per_person or self.open.total() >= self.in_all:
            message = N_("There are too many open connections. Close one, or try again in {seconds} seconds.")
            raise TooManyRequests(message, retry_after=30, seconds=30)
        self.open[person_id] += 1
        _OPEN.inc()
        try:
            yield
        finally:
            _OPEN.dec()
            self.open[person_id] -= 1
            if not self.open[person_id]:
                del self.open[person_id]


def live_router(house: House) -> APIRouter:
    """`/ws` of the web process."""
    router = APIRouter()
    settings = house.settings
    sockets = Sockets(settings.live_connections_per_person, settings.live_connections)
    house.provide([sockets])

    @router.websocket(PATH)
    async def ws(websocket: WebSocket) -> None:
        try:
            principal = await _caller(house, websocket)
            topics = _topics(house, principal, websocket.query_params.getlist("topic"))
            with sockets.room_for(principal.person_id):
                await _Connection(house, websocket, principal, topics, sockets.heartbeat).run()
        except DomainError as error:
            await websocket.send_denial_response(problem_json(_as_request(websocket), error))

    return router


def _as_request(websocket: WebSocket) -> Request:
    """The handshake as the request that it is: what knows callers by their request knows them here too."""
    return Request({**websocket.scope, "type": "http", "method": "GET"})


async def _caller(house: House, websocket: WebSocket) -> Principal:
    """Who connects. Raises `NotAuthenticated`, `Forbidden` (another site), `TooManyRequests`."""
    request = _as_request(websocket)
    allowed, _ = await limiter_of(house).hit(_HANDSHAKES, "ws", client_address(_with_app(request, websocket)))
    if not allowed:
        message = N_("Too many attempts. Try again in {seconds} seconds.")
        raise TooManyRequests(message, retry_after=60, seconds=60)
    if "ticket" not in request.query_params and not _from_our_page(house, request):
        raise Forbidden(N_("This came from another site, so nothing was opened."))
    request.state.is_stream = True
    principal = await house.authenticator(request)
    if principal.kind != "person":
        raise NotAuthenticated(N_("Sign in to do this."))
    return principal


def _with_app(request: Request, websocket: WebSocket) -> Request:
    request.scope["app"] = websocket.app
    return request


def _from_our_page(house: House, request: Request) -> bool:
    """A browser always says where a socket is opened from; what does not say so has no business with a cookie."""
    origin = request.headers.get("origin")
    if origin is None:
        return False
    ours = urlsplit(house.settings.base_url)
    return is_same_origin(
        request.headers, request.headers.get("host", ""), frozenset({f"{ours.scheme}://{ours.netloc}"})
    )


def _topics(house: House, principal: Principal, wanted: Sequence[str]) -> frozenset[str]:
    """The topics that are wanted, all where none is named. Raises `Forbidden` for one that is not theirs."""
    allowed = {topic.name for topic in house.provided(live.LiveTopic) if principal.may(topic.permission)}
    if not set(wanted) <= allowed:
        raise Forbidden(N_("You are not allowed to do this."))
    return frozenset(wanted or allowed)


class _Wish(BaseModel):
    """What a client may send."""

    type: str
    topics: list[str] = []


class _End(Exception):
    """The connection ends, for this reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class _Connection:
    """One open socket: one task reads what the client sends, the other writes what happens."""

    def __init__(
        self, house: House, websocket: WebSocket, principal: Principal, topics: frozenset[str], heartbeat: float
    ) -> None:
        self._house, self._socket, self._principal = house, websocket, principal
        self._topics, self._heartbeat = topics, heartbeat
        self._sending = asyncio.Lock()
        self._received = 0

    async def run(self) -> None:
        """Serve the connection until one side ends it."""
        async with live.watching(self._house, live.person_channel(self._principal.person_id)) as waiting:
            await self._socket.accept()
            try:
                await self._send(self._ready())
                await self._serve(waiting)
            except _End as end:
                _ENDED.labels(str(end.code)).inc()
                await self._close(end)
            except (WebSocketDisconnect, OSError):
                pass  # the client has gone: there is nobody to tell

    async def _serve(self, waiting: asyncio.Queue[JsonObject]) -> None:
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._relay(waiting))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.gather(*done)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._received += 1
            if self._received > _INCOMING:
                raise _End(_WRONG, "too many messages")
            await self._answer(message.get("text"))

    async def _answer(self, text: str | None) -> None:
        if text is None:
            raise _End(_WRONG, "text messages only")
        if len(text.encode()) > LARGEST_MESSAGE:
            raise _End(_TOO_LARGE, "message too large")
        try:
            wish = _Wish.model_validate_json(text)
        except ValidationError:
            raise _End(_WRONG, "not understood") from None
        if wish.type == "ping":
            await self._send({"type": "pong"})
        elif wish.type == "subscribe":
            try:
                self._topics = _topics(self._house, self._principal, wish.topics)
            except Forbidden:
                raise _End(_WRONG, "no such topic") from None
            await self._send(self._ready())
        else:
            raise _End(_WRONG, "not understood")

    def _ready(self) -> JsonObject:
        return {"type": "ready", "topics": [*sorted(self._topics)], "heartbeat": int(self._heartbeat)}

    async def _relay(self, waiting: asyncio.Queue[JsonObject]) -> NoReturn:
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):
                    message = await waiting.get()
            except TimeoutError:
                self._received = 0
                await self._check()
                await self._send({"type": "heartbeat"})
                continue
            if message.get("ended"):
                await self._check()
            elif message.get("missed"):
                await self._check()
                await self._send({"type": "missed"})
            elif message.get("topic") in self._topics:
                await self._send({"type": "change", **message})

    async def _check(self) -> None:
        """The session still stands: what has ended stops."""
        for known in self._house.provided(live.SessionsStand):
            if not await known.standing(self._house, self._principal):
                raise _End(_SIGNED_OUT, "the session has ended")

    async def _send(self, message: JsonObject) -> None:
        """Waits while the client does not read, so that nothing piles up here; not for ever."""
        try:
            async with asyncio.timeout(LONGEST_QUEUE_SECONDS), self._sending:
                await self._socket.send_text(json.dumps(message, separators=(",", ":")))
        except TimeoutError:
            raise _End(_TOO_SLOW, "reads too slowly") from None
        _SENT.labels(str(message["type"])).inc()

    async def _close(self, end: _End) -> None:
        if self._socket.application_state == WebSocketState.CONNECTED:
            with suppress(TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
                async with asyncio.timeout(1):
                    await self._socket.close(end.code, end.reason)
