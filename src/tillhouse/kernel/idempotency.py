"""`Idempotency-Key`: the same request sent twice has its effect once and gets the same answer.

    router = APIRouter(route_class=IdempotentRoute)

    @router.post("/payments/create-order")
    async def create_order(session: Write, key: RequiredKey, order: NewOrder) -> Order: ...

A key belongs to one caller and one route. The same body gets the first answer again (2xx, and refusals that are final),
with `Idempotent-Replayed: true`; another body is refused; while the first request still runs the second waits briefly.

Routes with one transaction (`Write`) need nothing more: the key is inserted first thing in that transaction and the
answer is stored in it, so that effect and answer commit together and a crash leaves neither. A second request waits on
the key's unique index. Routes that run a flow (several transactions) commit the key first, with a claim that ends; the
flow resumes by the intent row that it keyed with the same key.

An answer is kept for at least a day, sealed: it may hold what only the caller should see.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import Update, and_, delete, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from tillhouse.kernel import clock
from tillhouse.kernel.access import caller, permission_of, require
from tillhouse.kernel.db import JsonValue, Session, rows_of
from tillhouse.kernel.errors import DomainError, FieldError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.http import house_of_request, opens_transaction
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.limits import client_address
from tillhouse.kernel.models import IdempotencyKeyRow as Row
from tillhouse.kernel.text import N_

KEPT_FOR = timedelta(hours=48)
_WAIT_SECONDS = 2.0
_POLL_SECONDS = 0.05
_CLAIM = timedelta(seconds=60)  # longer than any flow that answers a request; a crashed one is taken over after it

# Asking again may bring another answer: these are not remembered.
_NOT_FINAL = frozenset({401, 403, 408, 425, 429})
# These say something of one moment or one connection, not of the outcome.
_NOT_KEPT = ("content-length", "date", "server", "set-cookie", "ratelimit", "ratelimit-policy", "x-request-id")

_IDENTITY = (Row.caller, Row.route, Row.key)


class KeyMissing(DomainError):
    """This route moves money or starts work: without a key a repeated request could do it twice."""

    code = "idempotency_key_required"
    status = 400


class KeyReused(InvalidInput):
    """The key came before, with another request."""

    code = "idempotency_key_reused"


class InFlight(DomainError):
    """The first request with this key has not been answered yet."""

    code = "idempotency_in_flight"
    status = 409


_KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="The same key and body: the same answer, and the effect once. Kept for two days.",
    ),
]


async def _required_key(idempotency_key: _KeyHeader = None) -> str:
    if idempotency_key is None:
        raise KeyMissing(N_("Send an Idempotency-Key header: a new one for each new wish, the same for a retry."))
    return idempotency_key


async def _optional_key(idempotency_key: _KeyHeader = None) -> str | None:
    return idempotency_key


RequiredKey = Annotated[str, Depends(_required_key)]
OptionalKey = Annotated[str | None, Depends(_optional_key)]


def requires_key(dependency: object) -> bool:
    """Whether a dependency is `RequiredKey`'s. For conformance checks."""
    return dependency is _required_key


class IdempotentRoute(APIRoute):
    """Route class of routers whose POST routes accept (or, with `RequiredKey`, require) an `Idempotency-Key`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        original = super().get_route_handler()
        single_transaction = _opens_transaction(self.dependant)
        permissions = {name for call in _calls(self.dependant) if (name := permission_of(call))}

        async def handler(request: Request) -> Response:
            attempt = await _attempt(request)
            if attempt is None:
                return await original(request)
            try:
                if single_transaction:
                    return await _in_one_transaction(request, attempt, original)
                for permission in permissions:  # the claim is committed: whoever may not call must not leave one
                    await require(permission)(request)
                return await _as_flow(request, attempt, original)
            except _Replay as replay:
                return replay.response
            except RequestValidationError:
                # A malformed request consumes no key: repeated it is refused again, mended it may use the same one.
                attempt.forget()
                raise

        return handler

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a refusal back until its transaction has rolled back, then remember it."""
        held = _HeldRefusal(scope, send)
        try:
            await super().handle(scope, receive, held)
        finally:
            if attempt := _attempt_of(scope):
                await asyncio.shield(held.settle(attempt))
        await held.release()


@dataclass(slots=True)
class _Attempt:
    """One request that carries a key. `store` is whether its refusal, if it comes to that, is to be remembered."""

    house: House
    caller: str
    route: str
    key: str
    request_hash: bytes
    store: bool = True
    claim: UUID | None = None

    def forget(self) -> None:
        """Let a refusal of this request be its own, not the key's."""
        self.store = False

    @property
    def identity(self) -> dict[str, str]:
        return {"caller": self.caller, "route": self.route, "key": self.key}


class _Replay(Exception):
    """Leaves the route with the stored answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


async def _attempt(request: Request) -> _Attempt | None:
    key = request.headers.get("idempotency-key", "")
    if request.method != "POST" or not 1 <= len(key) <= 255:
        return None  # RequiredKey and OptionalKey say what is wrong with a bad one
    principal = await caller(request)
    who = f"{principal.kind}:{principal.id}" if principal.id else f"nobody:{client_address(request)}"
    what = b"\0".join([request.method.encode(), str(request.url.query).encode(), await request.body()])
    attempt = _Attempt(house_of_request(request), who, request.url.path, key, hashlib.sha256(what).digest())
    request.state.idempotency = attempt
    return attempt


Original = Callable[[Request], Awaitable[Response]]


async def _in_one_transaction(request: Request, attempt: _Attempt, original: Original) -> Response:
    async def claim(session: Session) -> None:
        await _claim_in(session, attempt)

    request.state.on_transaction = claim
    response = await original(request)
    session: Session | None = getattr(request.state, "session", None)
    if session is not None and response.status_code < 400:
        await session.execute(update(Row).filter_by(**attempt.identity).values(**_stored(attempt, response)))
    return response


async def _claim_in(session: Session, attempt: _Attempt) -> None:
    """Insert the key in the business transaction; wait for another that has inserted it and not committed yet."""
    await session.execute(text(f"SET LOCAL lock_timeout = '{int(_WAIT_SECONDS * 1000)}ms'"))
    try:
        inserted = await session.execute(insert(Row).values(_new_row(attempt)).on_conflict_do_nothing())
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "55P03":
            raise _in_flight(attempt) from None
        raise
    await session.execute(text("SET LOCAL lock_timeout TO DEFAULT"))
    if rows_of(inserted) == 0:
        row = await session.get_one(Row, tuple(attempt.identity.values()))
        _answer_from(row, attempt)
        raise _in_flight(attempt)


async def _as_flow(request: Request, attempt: _Attempt, original: Original) -> Response:
    await _claim_first(attempt)
    response = await original(request)
    if response.status_code < 400:
        async with attempt.house.database.transaction() as session:
            await session.execute(_claimed(attempt).values(_stored(attempt, response)))
            attempt.claim = None
    return response


async def _claim_first(attempt: _Attempt) -> None:
    """Commit the key with a claim, take over one whose claim has ended, or wait for the answer of one that runs."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not await _try_claim(attempt):
        async with attempt.house.database.transaction() as session:
            row = await session.get(Row, tuple(attempt.identity.values()))
            if row is not None:
                _answer_from(row, attempt)
        if time.monotonic() >= deadline:
            raise _in_flight(attempt)
        await asyncio.sleep(_POLL_SECONDS)


async def _try_claim(attempt: _Attempt) -> bool:
    claim = new_id()
    claimed_until = clock.now() + _CLAIM
    values = {**_new_row(attempt), "claim": claim, "claimed_until": claimed_until}
    free = and_(Row.status.is_(None), Row.request_hash == attempt.request_hash, Row.claimed_until < clock.now())
    async with attempt.house.database.transaction() as session:
        statement = insert(Row).values(values).on_conflict_do_update(
            index_elements=_IDENTITY,
            set_={"claim": claim, "claimed_until": claimed_until},
            where=free,
        )  # fmt: skip
        if rows_of(await session.execute(statement)) == 1:
            attempt.claim = claim
    return attempt.claim is not None


def _claimed(attempt: _Attempt) -> Update:
    return update(Row).filter_by(**attempt.identity, claim=attempt.claim)


def _answer_from(row: Row, attempt: _Attempt) -> None:
    """Leave with the stored answer; return when there is none yet. Raises `KeyReused` for another request."""
    if row.request_hash != attempt.request_hash:
        attempt.forget()
        raise KeyReused(
            N_("This Idempotency-Key was used for another request: send a new one."),
            errors=[FieldError("/Idempotency-Key", "idempotency_key_reused", N_("Used before, with another body."))],
        )
    if row.status is None or row.body is None:
        return
    attempt.forget()
    body = attempt.house.vault.open(row.body).encode("latin-1")
    response = Response(body, row.status)
    for name, value in (row.headers or {}).items():
        response.headers[name] = str(value)
    response.headers["Idempotent-Replayed"] = "true"
    raise _Replay(response)


def _in_flight(attempt: _Attempt) -> InFlight:
    attempt.forget()
    return InFlight(N_("The first request with this Idempotency-Key is still being worked on: try again shortly."))


def _new_row(attempt: _Attempt) -> dict[str, object]:
    return {**attempt.identity, "request_hash": attempt.request_hash, "created_at": clock.now()}


def _stored(attempt: _Attempt, response: Response) -> dict[str, object]:
    return _answer(attempt, response.status_code, response.headers.items(), bytes(response.body))


def _answer(attempt: _Attempt, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> dict[str, object]:
    kept: dict[str, JsonValue] = {name: value for name, value in headers if name.lower() not in _NOT_KEPT}
    sealed = attempt.house.vault.seal(body.decode("latin-1"))
    return {"status": status, "headers": kept, "body": sealed, "claim": None, "claimed_until": None}


class _HeldRefusal:
    """A `send` that lets everything pass but the final refusal of a request with a key, which it keeps for a moment."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope = scope
        self._send = send
        self._held: list[Message] = []

    async def __call__(self, message: Message) -> None:
        if message.get("status") == 429 and (attempt := _attempt_of(self._scope)):
            attempt.forget()  # a limit on requests is one on the keys that they leave behind, too
        if (message["type"] == "http.response.start" and self._is_final(message["status"])) or self._held:
            self._held.append(message)
        else:
            await self._send(message)

    async def settle(self, attempt: _Attempt) -> None:
        """Remember the refusal; a flow that failed in another way gives its claim back, so that a retry can resume.

        A request too malformed to begin takes its claim away with it: mended, it may use the same key.
        A database that is away takes neither: the refusal is sent all the same, and the claim ends by itself.
        """
        with suppress(DBAPIError, OSError):
            if self._held:
                await self._remember(attempt)
            elif attempt.claim:
                async with attempt.house.database.transaction() as session:
                    if attempt.store:
                        await session.execute(_claimed(attempt).values(claimed_until=clock.now()))
                    else:
                        await session.execute(delete(Row).filter_by(**attempt.identity, claim=attempt.claim))

    async def release(self) -> None:
        for message in self._held:
            await self._send(message)

    def _is_final(self, status: int) -> bool:
        attempt = _attempt_of(self._scope)
        return attempt is not None and attempt.store and 400 <= status < 500 and status not in _NOT_FINAL

    async def _remember(self, attempt: _Attempt) -> None:
        start, *parts = self._held
        headers = Headers(raw=start["headers"]).items()
        body = b"".join(part.get("body", b"") for part in parts)
        answer = _answer(attempt, start["status"], headers, body)
        statement = insert(Row).values({**_new_row(attempt), **answer})
        if attempt.claim:
            mine = and_(Row.status.is_(None), Row.claim == attempt.claim)
        else:
            mine = and_(Row.status.is_(None), Row.request_hash == attempt.request_hash, Row.claim.is_(None))
        async with attempt.house.database.transaction() as session:
            await session.execute(statement.on_conflict_do_update(index_elements=_IDENTITY, set_=answer, where=mine))


def _attempt_of(scope: Scope) -> _Attempt | None:
    found = scope.get("state", {}).get("idempotency")
    return found if isinstance(found, _Attempt) else None


def _opens_transaction(dependant: Dependant) -> bool:
    return any(opens_transaction(call) for call in _calls(dependant))


def _calls(dependant: Dependant) -> Iterator[object]:
    for child in dependant.dependencies:
        yield child.call
        yield from _calls(child)


async def forget_old_keys(session: Session) -> int:
    """Delete the keys that were kept long enough; returns how many. For the kernel's retention job."""
    result = await session.execute(delete(Row).where(Row.created_at < clock.now() - KEPT_FOR))
    return rows_of(result)
