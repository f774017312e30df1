"""Where faults strike API calls: around the whole application, before and after anything is done."""

import asyncio
from collections.abc import Iterator, MutableMapping
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tillhouse.sandbox import ids
from tillhouse.sandbox.faults import CALL_FAULTS
from tillhouse.sandbox.razorpay import errors as razorpay
from tillhouse.sandbox.stripe import errors as stripe
from tillhouse.sandbox.twilio.messages import TwilioError
from tillhouse.sandbox.world import World

IN_PROCESS = "tillhouse.sandbox.in_process"

_PAYOUT_ROOTS = ("contacts", "fund_accounts", "payouts", "transactions", "banking_balances")


class Held(Exception):
    """In-process: the answer would not come within any patience."""


class Cut(Exception):
    """In-process: the connection would break in the middle of the answer."""


async def pass_through(app: ASGIApp, world: World, scope: Scope, receive: Receive, send: Send) -> None:
    """Run `app`, with the fault that is due for this call, if any, done to it.

    Raises:
        Held, Cut: only for callers that said (by an ASGI extension) that they turn them into client errors.
    """
    provider = provider_of(scope["path"]) if scope["type"] == "http" else None
    fault = world.faults.strike(CALL_FAULTS, provider, _names(scope)) if provider else None
    if provider is None or fault is None:
        await app(scope, receive, send)
    elif fault.fault == "timeout_before":
        await _hold(scope, receive, send, provider, patience=fault.seconds or world.settings.hold_seconds)
    elif fault.fault == "timeout_after":
        await app(scope, receive, _Recorder())
        await _hold(scope, receive, send, provider, patience=fault.seconds or world.settings.hold_seconds)
    elif fault.fault == "cut_stream":
        await _cut(app, scope, receive, send)
    else:
        await _refusal(provider, int(fault.fault.removeprefix("status_")))(scope, receive, send)


def provider_of(path: str) -> str | None:
    """Whose API a path belongs to; None for the sandbox's own pages, and for whoever only looks whether it is there."""
    root, _, rest = path.removeprefix("/").partition("/")
    if root == "razorpay" and rest.startswith("v1/"):
        return "razorpayx" if rest.split("/")[1] in _PAYOUT_ROOTS else "razorpay"
    return root if root in {"stripe", "twilio"} and rest else None


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


async def _hold(scope: Scope, receive: Receive, send: Send, provider: str, *, patience: float) -> None:
    """Say nothing until the client hangs up, or for `patience` seconds, then 504."""
    if _is_in_process(scope):
        raise Held
    try:
        async with asyncio.timeout(patience):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        await _refusal(provider, 504)(scope, receive, send)


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


def _refusal(provider: str, status: int) -> Response:
    if provider == "twilio":
        return TwilioError(20429 if status == 429 else 20500, status).response()
    if provider == "stripe":
        return (stripe.throttled() if status == 429 else stripe.server_error(status)).response(f"req_{ids.token(14)}")
    error = razorpay.throttled() if status == 429 else razorpay.server_error()
    error.status = status
    return error.response()
