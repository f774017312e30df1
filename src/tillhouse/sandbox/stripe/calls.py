"""Every call of Stripe's API: who calls, for which account, and idempotency keys."""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from tillhouse.sandbox import ids
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.stripe.connect_schemas import Account
from tillhouse.sandbox.stripe.errors import StripeError
from tillhouse.sandbox.world import World

API_VERSION = "2026-10-28.endive"
PREFIX = "/stripe"

_KEY_IS_KEPT_SECONDS = 24 * 3600
_LONGEST_KEY = 255
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


@dataclass(frozen=True)
class Call:
    """One call: `account` is the platform's or, with `Stripe-Account`, the connected one it is made for."""

    world: World
    id: str
    account: str
    base: str
    version: str = API_VERSION
    idempotency_key: str | None = None


class KeptAnswer(Record):
    """What the first call with an idempotency key was answered."""

    kind: ClassVar[str] = "stripe_key"

    path: str
    digest: str
    status: int
    body: str
    request_id: str


# The call under way, for `request` of the events it causes; None for what happens by itself.
current_call: ContextVar[Call | None] = ContextVar("current_call", default=None)


class StripeRoute(APIRoute):
    """A route that answers as Stripe does: authenticated, once per idempotency key, errors in Stripe's form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        work = super().get_route_handler()

        async def answer(request: Request) -> Response:
            return await _answered(request, work)

        return answer


def _call_of(request: Request) -> Call:
    call: Call = request.state.call
    return call


Calling = Annotated[Call, Depends(_call_of)]


async def _answered(request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
    call_id = f"req_{ids.token(14)}"
    try:
        call = _identified(request, call_id)
        request.state.call = call
        response = await _once(call, request, work)
        response.headers["Stripe-Version"] = call.version
        if call.account != call.world.settings.stripe_account_id:
            response.headers["Stripe-Account"] = call.account
    except StripeError as error:
        response = error.response(call_id)
    response.headers.setdefault("Request-Id", call_id)
    return response


# --- who calls ------------------------------------------------------------------------------------------------------


def _identified(request: Request, call_id: str) -> Call:
    world: World = request.app.state.world
    _authenticate(world, request)
    version = request.headers.get("stripe-version", API_VERSION)
    if not _VERSION.fullmatch(version):
        raise StripeError(f"Invalid Stripe API version: {version}", kept=False)
    account = request.headers.get("stripe-account", world.settings.stripe_account_id)
    if account != world.settings.stripe_account_id and world.store.get(Account, account) is None:
        raise StripeError(
            f"The provided key '{_masked(world.settings.stripe_secret_key)}' does not have access to account"
            f" '{account}' (or that account does not exist). Application access may have been revoked.",
            status=403,
            code="account_invalid",
            kept=False,
        )
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    base = str(request.base_url).rstrip("/")
    return Call(world, call_id, account, base, version, key or None)


def _authenticate(world: World, request: Request) -> None:
    key = _key_of(request.headers.get("authorization", ""))
    if not key:
        raise StripeError(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer"
            " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for"
            " details, or we can help at https://support.stripe.com/.",
            status=401,
            kept=False,
        )
    if key == world.settings.stripe_publishable_key:
        message = "This API call cannot be made with a publishable API key. Please use a secret API key."
        raise StripeError(message, status=403, code="secret_key_required", kept=False)
    if key != world.settings.stripe_secret_key:
        raise StripeError(f"Invalid API Key provided: {_masked(key)}", status=401, kept=False)


def _key_of(header: str) -> str:
    """The key: a bearer token, or the user of Basic with an empty password."""
    scheme, _, given = header.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[0]
    except ValueError:
        return ""


def _masked(key: str) -> str:
    return f"{key[:8]}{'*' * max(len(key) - 12, 4)}{key[-4:]}"


# --- once per key ---------------------------------------------------------------------------------------------------


async def _once(call: Call, request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
    if call.idempotency_key is None:
        return await _worked(call, request, work)
    if len(call.idempotency_key) > _LONGEST_KEY:
        message = "Idempotency keys are at most 255 characters long."
        raise StripeError(message, type="idempotency_error", kept=False)
    name = f"{call.account}:{call.idempotency_key}"
    if name in call.world.keys_in_use:
        raise StripeError(
            f"There is currently another in-progress request using this Idempotency-Key '{call.idempotency_key}' (that"
            " probably means you submitted twice, and the other request is still going through). Please try again"
            " later.",
            status=409,
            type="idempotency_error",
            code="idempotency_key_in_use",
            kept=False,
        )
    call.world.keys_in_use.add(name)
    try:
        return await _first_or_again(call, name, request, work)
    finally:
        call.world.keys_in_use.discard(name)


async def _first_or_again(
    call: Call, name: str, request: Request, work: Callable[[Request], Awaitable[Response]]
) -> Response:
    path, digest = request.url.path.removeprefix(PREFIX), _digest(request.url.path, await request.body())
    kept = call.world.store.get(KeptAnswer, name)
    now = call.world.clock.now_s()
    if kept is not None and now - kept.created_at < _KEY_IS_KEPT_SECONDS:
        return _again(call, kept, path, digest)
    response, keep = await _worked_and_judged(call, request, work)
    if keep:
        call.world.store.put(
            KeptAnswer(
                id=name,
                created_at=now,
                path=path,
                digest=digest,
                status=response.status_code,
                body=bytes(response.body).decode(),
                request_id=call.id,
            )
        )
    response.headers["Idempotency-Key"] = call.idempotency_key or ""
    return response


def _again(call: Call, kept: KeptAnswer, path: str, digest: str) -> Response:
    if kept.path != path:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            f" ('{path}' vs '{kept.path}'). Try using a key other than '{call.idempotency_key}' if you meant to"
            " execute a different request."
        )
        raise StripeError(message, type="idempotency_error", kept=False)
    if kept.digest != digest:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used with. Try"
            f" using a key other than '{call.idempotency_key}' if you meant to execute a different request."
        )
        raise StripeError(message, type="idempotency_error", kept=False)
    headers = {
        "Idempotency-Key": call.idempotency_key or "",
        "Idempotent-Replayed": "true",
        "Original-Request": kept.request_id,
        "Request-Id": call.id,
    }
    return Response(kept.body, kept.status, headers, "application/json")


def _digest(path: str, body: bytes) -> str:
    """The same for every order and spelling of the same parameters."""
    fields = sorted(body.decode(errors="replace").replace("%5B", "[").replace("%5D", "]").split("&"))
    return hashlib.sha256(json.dumps([path, fields]).encode()).hexdigest()


async def _worked(call: Call, request: Request, work: Callable[[Request], Awaitable[Response]]) -> Response:
    token = current_call.set(call)
    try:
        return await work(request)
    finally:
        current_call.reset(token)


async def _worked_and_judged(
    call: Call, request: Request, work: Callable[[Request], Awaitable[Response]]
) -> tuple[Response, bool]:
    try:
        return await _worked(call, request, work), True
    except StripeError as error:
        return error.response(call.id), error.kept
