"""The transaction API: v1 (frozen; every number a string) and v2, and the QR image."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, JsonValue

from tillhouse.sandbox.player import Refusal
from tillhouse.sandbox.qr import qr_image
from tillhouse.sandbox.sepay.bank import OPENING_BALANCE, bank_named, code_text
from tillhouse.sandbox.sepay.errors import SepayError
from tillhouse.sandbox.sepay.schemas import BankTransaction, Calls, ShownCode, Wire, vietnam_time
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/sepay")

_SECOND_MS = 1000
_ALL = 1_000_000
_WHEN = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2})?$"

When = Annotated[str | None, Query(pattern=_WHEN)]
Dong = Annotated[int | None, Query(ge=0)]


class Refused(Refusal):
    """An answer of API v1 that is no answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__(str(answer.status_code))
        self._answer = answer

    def response(self) -> Response:
        return self._answer


@router.get("/img")
async def image(
    world: Here,
    acc: Annotated[str, Query(pattern=r"^[A-Za-z0-9]{3,19}$")],
    bank: str,
    amount: Annotated[int | None, Query(ge=1)] = None,
    des: str = "",
) -> Response:
    """The VietQR code as a PNG. Its text is in the header `X-Sandbox-Code` too. `template` and `download`, which
    public code uses, are not documented and change nothing here."""
    known = bank_named(bank)
    if known is None:
        raise SepayError(400, f"Bank {bank} is not known")
    text = code_text(known, acc, amount, des)
    _remember(world, ShownCode(id="", created_at=0, account_number=acc, bank=known.name, amount=amount, content=des))
    headers = {"X-Sandbox-Code": text, "Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-store"}
    return qr_image(text, "png", headers)


# --- v1 -------------------------------------------------------------------------------------------------------------


def _v1(request: Request, world: Here) -> None:
    """Refuse strangers with an empty 200, and who calls too often with 429."""
    if not _bears_token(request, world):
        raise Refused(Response(status_code=200))
    left = _calls_left(world)
    if left < 0:
        body: Wire = {"status": 429, "error": "Too many requests", "messages": {"success": False}}
        raise Refused(JSONResponse(body, 429, {"x-sepay-userapi-retry-after": "1"}))


V1 = Annotated[None, Depends(_v1)]


class ListV1(BaseModel):
    """Filters of the list and the count."""

    account_number: str | None = None
    transaction_date_min: When = None
    transaction_date_max: When = None
    since_id: int | None = None
    limit: int = Field(5000, ge=1, le=5000)
    reference_number: str | None = None
    amount_in: Dong = None
    amount_out: Dong = None


@router.get("/userapi/transactions/list")
async def list_v1(world: Here, query: Annotated[ListV1, Query()], _: V1) -> Wire:
    """Transactions, newest first."""
    found: list[JsonValue] = [_wire_v1(transaction) for transaction in _found_v1(world, query)[: query.limit]]
    return _answer_v1(transactions=found)


@router.get("/userapi/transactions/count")
async def count_v1(world: Here, query: Annotated[ListV1, Query()], _: V1) -> Wire:
    """How many transactions there are."""
    return _answer_v1(count_transactions=len(_found_v1(world, query)))


@router.get("/userapi/transactions/details/{transaction_id}")
async def details_v1(world: Here, transaction_id: str, _: V1) -> Wire:
    """One transaction."""
    transaction = world.store.get(BankTransaction, transaction_id)
    if transaction is None:
        body: Wire = {"status": 404, "error": "Transaction not found", "messages": {"success": False}}
        raise Refused(JSONResponse(body, 404))
    return _answer_v1(transaction=_wire_v1(transaction))


@router.get("/userapi/bankaccounts/list")
async def accounts_v1(world: Here, _: V1) -> Wire:
    """The watched account."""
    return _answer_v1(bankaccounts=[_account_v1(world)])


@router.get("/userapi/bankaccounts/details/{account_id}")
async def account_v1(world: Here, account_id: str, _: V1) -> Wire:
    """The watched account."""
    if account_id != _ACCOUNT_ID:
        body: Wire = {"status": 404, "error": "Bank account not found", "messages": {"success": False}}
        raise Refused(JSONResponse(body, 404))
    return _answer_v1(bankaccount=_account_v1(world))


# --- v2 -------------------------------------------------------------------------------------------------------------


def _v2(request: Request, response: Response, world: Here) -> None:
    """Refuse strangers with 401, and who calls too often with 429."""
    if not _bears_token(request, world):
        raise SepayError(401)
    left = _calls_left(world)
    limit = str(world.settings.sepay_calls_per_second)
    headers = {"X-RateLimit-Limit": limit, "X-RateLimit-Remaining": str(max(0, left))}
    if left < 0:
        raise SepayError(429, headers={**headers, "Retry-After": "1"})
    response.headers.update(headers)


V2 = Annotated[None, Depends(_v2)]


class ListV2(BaseModel):
    """Filters of the list."""

    transaction_date_from: When = None
    transaction_date_to: When = None
    amount_in_min: Dong = None
    amount_in_max: Dong = None
    account_number: str | None = None
    since_id: str | None = None
    transfer_type: Literal["in", "out"] | None = None
    webhook_success: bool | None = None
    page: int = Field(1, ge=1)
    per_page: int = Field(20, ge=1, le=100)


@router.get("/v2/transactions")
async def list_v2(world: Here, query: Annotated[ListV2, Query()], _: V2) -> Wire:
    """Transactions, newest first, in pages."""
    found = _found_v2(world, query)
    start = (query.page - 1) * query.per_page
    shown: list[JsonValue] = [_wire_v2(world, item) for item in found[start : start + query.per_page]]
    pagination: Wire = {
        "total": len(found),
        "per_page": query.per_page,
        "current_page": query.page,
        "last_page": max(1, -(-len(found) // query.per_page)),
        "has_more": start + query.per_page < len(found),
    }
    return {"status": "success", "data": shown, "meta": {"pagination": pagination}}


@router.get("/v2/transactions/{uuid}")
async def get_v2(world: Here, uuid: str, _: V2) -> Wire:
    """One transaction by its UUID, which is not the webhook's id."""
    found = world.store.find(BankTransaction, {"uuid": uuid}, limit=1)
    if not found:
        raise SepayError(404, "Transaction not found")
    return {"status": "success", "data": _wire_v2(world, found[0])}


@router.get("/v2/bank-accounts")
async def accounts_v2(world: Here, _: V2) -> Wire:
    """The watched account."""
    settings = world.settings
    account: Wire = {
        "id": _ACCOUNT_UUID,
        "account_holder_name": settings.sepay_account_name,
        "account_number": settings.sepay_account_number,
        "accumulated": _balance(world),
        "bank_short_name": settings.sepay_bank,
        "active": True,
    }
    return {"status": "success", "data": [account]}


# --- both -----------------------------------------------------------------------------------------------------------

_ACCOUNT_ID, _ACCOUNT_UUID = "19", "6f0c1d52-7b1f-4c0e-9a35-0f1a4f5f0019"


def _bears_token(request: Request, world: World) -> bool:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), world.settings.sepay_api_token.encode())


def _calls_left(world: World) -> int:
    """Count this call; how many more are allowed within this second, negative when it is one too many."""
    most, now = world.settings.sepay_calls_per_second, world.clock.now_ms()
    if most == 0:
        return 1
    with world.store.transaction():
        calls = world.store.get(Calls, "userapi") or Calls(id="userapi", created_at=world.clock.now_s())
        calls.at_ms = [at for at in calls.at_ms if now - _SECOND_MS < at <= now]
        left = most - len(calls.at_ms) - 1
        if left >= 0:
            calls.at_ms.append(now)
        world.store.put(calls)
    return left


def _remember(world: World, shown: ShownCode) -> None:
    digest = hashlib.sha256(shown.model_dump_json().encode()).hexdigest()[:20]
    with world.store.transaction():
        world.store.delete(ShownCode, digest)
        world.store.put(shown.model_copy(update={"id": digest, "created_at": world.clock.now_s()}))


def _seconds(when: str | None, *, end: bool = False) -> int | None:
    """A Vietnamese date or wall-clock time as unix seconds; a bare date as `end` means the end of that day."""
    if when is None:
        return None
    text = re.sub("T", " ", when)
    if len(text) == len("2026-01-01"):
        text += " 23:59:59" if end else " 00:00:00"
    try:
        local = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise SepayError(422, f"{when} is no date") from None
    return int((local - timedelta(hours=7)).timestamp())


def _found_v1(world: World, query: ListV1) -> list[BankTransaction]:
    where = {"account_number": query.account_number, "reference": query.reference_number}
    since, until = _seconds(query.transaction_date_min), _seconds(query.transaction_date_max, end=True)
    return [
        item
        for item in world.store.find(BankTransaction, where, since=since, until=until, limit=_ALL)
        if (query.since_id is None or item.number >= query.since_id)
        and query.amount_in in {None, item.amount_in}
        and query.amount_out in {None, item.amount_out}
    ]


def _found_v2(world: World, query: ListV2) -> list[BankTransaction]:
    where = {"account_number": query.account_number, "transfer_type": query.transfer_type}
    since, until = _seconds(query.transaction_date_from), _seconds(query.transaction_date_to, end=True)
    known = world.store.find(BankTransaction, {"uuid": query.since_id}, limit=1) if query.since_id else []
    after = known[0].number if known else 0
    return [
        item
        for item in world.store.find(BankTransaction, where, since=since, until=until, limit=_ALL)
        if item.number > after
        and (query.amount_in_min is None or item.amount_in >= query.amount_in_min)
        and (query.amount_in_max is None or item.amount_in <= query.amount_in_max)
        and query.webhook_success in {None, _was_delivered(world, item)}
    ]


def _was_delivered(world: World, transaction: BankTransaction) -> bool:
    where = {"event_id": transaction.id, "provider": "sepay", "status": "delivered"}
    return world.store.count(Delivery, where) > 0


def _balance(world: World) -> int:
    latest = world.store.find(BankTransaction, limit=1)
    return latest[0].accumulated if latest else OPENING_BALANCE


def _answer_v1(**content: JsonValue) -> Wire:
    return {"status": 200, "error": None, "messages": {"success": True}, **content}


def _wire_v1(transaction: BankTransaction) -> Wire:
    return {
        "id": str(transaction.number),
        "bank_brand_name": transaction.bank,
        "account_number": transaction.account_number,
        "transaction_date": vietnam_time(transaction.created_at),
        "amount_out": f"{transaction.amount_out}.00",
        "amount_in": f"{transaction.amount_in}.00",
        "accumulated": f"{transaction.accumulated}.00",
        "transaction_content": transaction.content,
        "reference_number": transaction.reference,
        "code": transaction.code,
        "sub_account": transaction.virtual_account,
        "bank_account_id": _ACCOUNT_ID,
    }


def _wire_v2(world: World, transaction: BankTransaction) -> Wire:
    return {
        "id": transaction.uuid,
        "transaction_date": vietnam_time(transaction.created_at),
        "account_number": transaction.account_number,
        "va": transaction.virtual_account,
        "transfer_type": transaction.transfer_type,
        "amount_in": transaction.amount_in,
        "amount_out": transaction.amount_out,
        "accumulated": transaction.accumulated,
        "transaction_content": transaction.content,
        "reference_number": transaction.reference,
        "code": transaction.code,
        "bank_brand_name": transaction.bank,
        "bank_account_id": _ACCOUNT_UUID,
        "va_id": None,
        "webhook_success": _was_delivered(world, transaction),
    }


def _account_v1(world: World) -> Wire:
    settings = world.settings
    bank = bank_named(settings.sepay_bank)
    latest = world.store.find(BankTransaction, limit=1)
    return {
        "id": _ACCOUNT_ID,
        "account_holder_name": settings.sepay_account_name,
        "account_number": settings.sepay_account_number,
        "accumulated": f"{_balance(world)}.00",
        "last_transaction": vietnam_time(latest[0].created_at) if latest else None,
        "label": "",
        "active": "1",
        "bank_short_name": settings.sepay_bank,
        "bank_full_name": settings.sepay_bank,
        "bank_bin": bank.bin if bank else "",
        "bank_code": bank.code if bank else "",
    }
