"""Where faults strike API calls: around the whole application, before and after anything is done."""

import asyncio
from collections.abc import Iterator, MutableMapping
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
    """In-process: the connection would break in the middle of the answer."""


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
    elif fault.fault == "cut_stream":
        await _cut(app, scope, receive, send)
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


async def _cut(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Do the work, announce the whole answer, send half of it."""
    recorder = _Recorder()
    await app(scope, receive, recorder)
    if _is_in_process(scope):
        raise Cut
    await send(recorder.start)
    await send({"type": "http.response.body", "body": recorder.body[: len(recorder.body) // 2], "more_body": True})


def _is_in_process(scope: MutableMapping[str, Any]) -> bool:
    return IN_PROCESS in (scope.get("extensions") or {})


def _names(scope: Scope) -> Iterator[str]:
    path: str = scope["path"]
    own = "/" + path.split("/", 2)[-1]
    for name in (path, own):
        yield name
        yield f"{scope['method']} {name}"
