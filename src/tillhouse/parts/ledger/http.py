"""JSON endpoints of the ledger: for integrators who keep books here, beside those of the house.

An API key posts only kinds that a module declared open to machines, and sees only those.
"""

import hashlib
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Path, Query, Response

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.errors import DomainError, InvalidInput, NotFound
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, RequiredKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.paging import MAX_PAGE, Page, cut, decode_cursor
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.parts.ledger import schemas
from tillhouse.parts.ledger.domain import (
    MAX_KEY,
    AccountRef,
    Chart,
    IdempotencyKeyReused,
    Leg,
    Posting,
    Transaction,
    UnknownKind,
)
from tillhouse.parts.ledger.domain.lists import TransactionFilter, account_named, said
from tillhouse.parts.ledger.flows.grouping import GroupedPosts
from tillhouse.parts.ledger.service import posting as writing
from tillhouse.parts.ledger.service import reading
from tillhouse.parts.ledger.service.charts import HouseChart, chart_of

Poster = Annotated[Principal, Depends(require("ledger.post"))]
Reader = Annotated[Principal, Depends(require("ledger.read"))]
Number = Annotated[int, Path(alias="id", ge=0, le=MAX_MINOR)]

_SCOPE = "ledger.api"
_METADATA = "What the metadata says, as name and value: by itself or among its `tags`. Found by an index."

singles = APIRouter(prefix="/ledger")
others = APIRouter(prefix="/ledger", route_class=IdempotentRoute)


@singles.post("/transactions", status_code=201, dependencies=[Depends(rate_limit("600000/minute"))])
async def post_transaction(
    house: TheHouse, poster: Poster, key: RequiredKey, body: schemas.TransactionIn, response: Response
) -> schemas.TransactionOut:
    """Write one transaction. The key is the ledger's own: kept for ever once it was written, refusals for two days."""
    wish = _posting(house.the(HouseChart).chart, body, _key(poster, key))
    try:
        written = await house.the(GroupedPosts).post(wish)
    except IdempotencyKeyReused:
        raise KeyReused(N_("This Idempotency-Key was used for another request: send a new one.")) from None
    if written.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return schemas.TransactionOut.model_validate(_fields(written))


@others.post("/transactions/bulk", dependencies=[Depends(rate_limit("6000/minute"))])
async def post_bulk(session: Write, poster: Poster, key: RequiredKey, body: schemas.BulkIn) -> schemas.BulkOut:
    """Write many transactions in one go, each with its own outcome, or all or none."""
    chart = chart_of(session)
    wishes = [_posting(chart, one, _key(poster, key, f"bulk:{n}")) for n, one in enumerate(body.transactions)]
    items = [_item(result) for result in await writing.post_many(session, wishes, atomic=body.atomic)]
    refused = sum(item.problem is not None for item in items)
    return schemas.BulkOut(written=len(items) - refused, refused=refused, items=items)


@singles.get("/transactions")
async def list_transactions(  # noqa: PLR0917  FastAPI passes parameters by name
    session: Read,
    reader: Reader,
    metadata: Annotated[str | None, Query(max_length=200, description=_METADATA, examples=["order: A-1042"])] = None,
    kind: Annotated[str | None, Query(max_length=200)] = None,
    account: Annotated[
        str | None, Query(max_length=300, description="As owner, code and unit.", examples=["house/bank/INR"])
    ] = None,
    since: Annotated[schemas.Instant | None, Query(alias="from", description="Took effect then or later.")] = None,
    until: Annotated[schemas.Instant | None, Query(alias="to", description="Took effect before.")] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.TransactionNow]:
    """Transactions by what is known of them, the last recorded first. An API key sees those of open kinds."""
    wanted = TransactionFilter(
        said=said(metadata) if metadata else (),
        kind=kind,
        kinds=_open_kinds(session) if reader.kind == "machine" else None,
        account=account_named(account) if account else None,
        since=since,
        until=until,
    )
    before = int(decode_cursor(cursor, (int,))[0]) if cursor else None
    found = await reading.transactions(session, wanted=wanted, limit=limit + 1, before=before)
    shown, following = cut(found, limit, lambda one: (one.id,))
    return Page(items=[_now(one) for one in shown], next_cursor=following)


@singles.get("/transactions/{id}")
async def get_transaction(session: Read, reader: Reader, number: Number) -> schemas.TransactionNow:
    """One transaction as it stands now."""
    found = await reading.transaction(session, number)
    if reader.kind == "machine":
        await _require_open(session, found)
    return _now(found)


@others.post("/transactions/{id}/reverse", status_code=201, dependencies=[Depends(rate_limit("60000/minute"))])
async def reverse_transaction(
    session: Write, poster: Poster, key: RequiredKey, number: Number, body: schemas.ReversalIn
) -> schemas.TransactionOut:
    """Write the mirror image of a transaction, once."""
    await _require_open(session, await reading.transaction(session, number))
    written = await writing.reverse(
        session,
        number,
        key=_key(poster, key, f"reverse:{number}"),
        effective_at=body.effective_at,
        metadata=_metadata(body),
    )
    return schemas.TransactionOut.model_validate(_fields(written))


router = APIRouter()
router.include_router(singles)
router.include_router(others)


class KeyReused(InvalidInput):
    """The key came before, with another request."""

    code = "idempotency_key_reused"


def _open_kinds(session: Read) -> list[str]:
    return [kind.name for kind in chart_of(session).transaction_kinds if kind.open_to_machines]


async def _require_open(session: Read, found: Transaction) -> None:
    """Raise `NotFound` unless the transaction, or the one it reverses, is of a kind that is open to machines."""
    if found.reverses is not None:
        found = await reading.transaction(session, found.reverses)
    if not chart_of(session).transaction_kind(found.kind).open_to_machines:
        raise NotFound(N_("There is no such transaction."))


def _key(poster: Principal, key: str, purpose: str = "post") -> str:
    """The ledger's key of a caller's key: nobody can meet, or probe, a key of somebody else or of the house."""
    scope = f"{_SCOPE}:{poster.id}:{purpose}"
    whole = f"{scope}:{key}"
    if len(whole) <= MAX_KEY and key.isprintable() and not key.startswith("sha256:"):
        return whole
    return f"{scope}:sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def _posting(chart: Chart, body: schemas.TransactionIn, key: str) -> Posting:
    """What is asked for. Raises `UnknownKind` for a kind that is not open to machines, `InvalidInput`."""
    if not chart.transaction_kind(body.kind).open_to_machines:
        raise UnknownKind(N_("Transactions of kind {kind} are not written by the API."), kind=body.kind)
    legs = [_leg(leg) for leg in body.legs]
    return Posting(key=key, kind=body.kind, legs=legs, effective_at=body.effective_at, metadata=_metadata(body))


def _metadata(body: schemas.TransactionIn | schemas.ReversalIn) -> JsonObject:
    return cast("JsonObject", body.metadata)  # pydantic has a name of its own for the same thing


def _leg(body: schemas.LegIn) -> Leg:
    amount = Money.parse(body.amount, body.currency)
    account = AccountRef(body.owner_kind, body.owner_id, body.code, body.currency)
    return account, amount if body.side == "debit" else -amount


def _now(found: Transaction) -> schemas.TransactionNow:
    reversed_by = None if found.reversed_by is None else str(found.reversed_by)
    return schemas.TransactionNow.model_validate({**_fields(found), "reversed_by": reversed_by})


def _fields(written: Transaction) -> dict[str, object]:
    return {
        "id": str(written.id),
        "kind": written.kind,
        "legs": [_leg_out(account, amount) for account, amount in written.legs],
        "effective_at": written.effective_at,
        "recorded_at": written.recorded_at,
        "metadata": written.metadata,
        "reverses": None if written.reverses is None else str(written.reverses),
    }


def _leg_out(account: AccountRef, amount: Money) -> schemas.LegOut:
    return schemas.LegOut(
        owner_kind=account.owner_kind,
        owner_id=account.owner_id,
        code=account.code,
        currency=account.unit,
        side="debit" if amount.minor > 0 else "credit",
        amount=str(amount if amount.minor > 0 else -amount),
    )


def _item(result: Transaction | DomainError) -> schemas.BulkItemOut:
    if isinstance(result, DomainError):
        problem = schemas.RefusalOut(status=result.status, code=result.code, detail=sentence_of(result))
        return schemas.BulkItemOut(problem=problem)
    return schemas.BulkItemOut(id=str(result.id), recorded_at=result.recorded_at)
