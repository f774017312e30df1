"""Where faults strike API calls: around the whole application, before and after anything is done."""

import asyncio
from collections.abc import Iterator, MutableMapping
from contextlib import suppress
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tillhouse.sandbox.faults import CALL_FAULTS
from tillhouse.sandbox.player import Player
from tillhouse.sandbox.players import called
from tillhouse.sandbox.world import World

IN_PROCESS = "tillhouse.sandbox.in_process"


class Held(Exception):
    """In-process: the answer would not come within any patience."""


class Cut(Exception):
    """In-process: the answer would begin like this, and then break off, or stand still within any patience."""

    def __init__(self, start: Message, beginning: bytes, *, stalls: bool) -> None:
        super().__init__()
        self.status: int = start["status"]
        self.headers: list[tuple[bytes, bytes]] = start["headers"]
        self.beginning = beginning
        self.stalls = stalls


async def pass_through(app: ASGIApp, world: World, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app`, with the fault that is due for this call, if any, done to it.

    Raises:
        Held, Cut: only for callers that said (by an ASGI extension) that they turn them into client errors.
    """
    call = called(scope["path"]) if scope["type"] == "http" else None
    fault = world.faults.strike(CALL_FAULTS, call[1], _names(scope)) if call else None
    if call is None or fault is None:
        await app(scope, receive, send)
    elif fault.fault == "timeout_before":
        await _hold(scope, receive, send, call[0], patience=fault.seconds or world.settings.hold_seconds)
    elif fault.fault == "timeout_after":
        await app(scope, receive, _Recorder())
        await _hold(scope, receive, send, call[0], patience=fault.seconds or world.settings.hold_seconds)
    elif fault.fault in ("cut_stream", "stall_stream"):
        patience = (fault.seconds or world.settings.hold_seconds) if fault.fault == "stall_stream" else None
        await _cut(app, scope, receive, send, stall=patience)
    else:
        await call[0].trouble(int(fault.fault.removeprefix("status_")))(scope, receive, send)


class _Recorder:
    """Takes an answer instead of sending it."""

    def __init__(self) -> None:
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.body += message.get("body", b"")


async def _hold(scope: Scope, receive: Receive, send: Send, player: Player, *, patience: float) -> None:
    """Say nothing until the client hangs up, or for `patience` seconds, then 504."""
    if _is_in_process(scope):
        raise Held
    try:
        async with asyncio.timeout(patience):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        await player.trouble(504)(scope, receive, send)


async def _cut(app: ASGIApp, scope: Scope, receive: Receive, send: Send, *, stall: float | None) -> None:
    """Do the work, announce the whole answer, send half of it; then hang up, or say nothing for `stall` seconds."""
    recorder = _Recorder()
    await app(scope, receive, recorder)
    half = recorder.body[: len(recorder.body) // 2]
    if _is_in_process(scope):
        raise Cut(recorder.start, half, stalls=stall is not None)
    await send(recorder.start)
    await send({"type": "http.response.body", "body": half, "more_body": True})
    if stall is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(stall):
                while (await receive())["type"] != "http.disconnect":
                    pass


def _is_in_process(scope: MutableMapping[str, Any]) -> bool:
    return IN_PROCESS in (scope.get("extensions") or {})


def _names(scope: Scope) -> Iterator[str]:
    path: str = scope["path"]
    own = "/" + path.split("/", 2)[-1]
    for name in (path, own):
        yield name
        yield f"{scope['method']} {name}"
