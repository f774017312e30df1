"""`/v1/balance` and `/v1/balance_transactions`: every movement of an account's money, with its fee."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.connect_schemas import BalanceQuery, BalanceTransaction, FeeDetail, TopupBody
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, shown
from tillhouse.sandbox.stripe.schemas import Params, Wire
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1", route_class=StripeRoute)

AVAILABLE_AFTER_SECONDS = 2 * 86_400.0
DISPUTE_FEE = 1500

_FEE_PER_MILLE, _FEE_FIXED = 29, 30
_ALL = 100_000

expandable("txn", BalanceTransaction)


@router.get("/balance")
async def get_balance(call: Calling, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """What is available and what is on its way, per currency."""
    sums = totals(call.world, call.account)
    return {
        "object": "balance",
        "available": [_amount(currency, sums[currency]["available"]) for currency in sorted(sums)],
        "livemode": False,
        "pending": [_amount(currency, sums[currency]["pending"]) for currency in sorted(sums)],
    }


@router.get("/balance_transactions")
async def list_balance_transactions(
    call: Calling, query: Annotated[BalanceQuery, Depends(params(BalanceQuery))]
) -> Wire:
    """Movements, newest first; with `payout`, what an automatic payout consists of, itself included."""
    where = query.model_dump(include={"currency", "payout", "source", "type"})
    return listed(call, BalanceTransaction, query, where, "/v1/balance_transactions")


@router.get("/balance_transactions/{transaction_id}")
async def get_balance_transaction(
    call: Calling, transaction_id: str, query: Annotated[Params, Depends(params(Params))]
) -> Wire:
    """One movement."""
    return shown(call, find(call.world, BalanceTransaction, transaction_id, call.account), query)


def book(
    world: World,
    account: str,
    movement: tuple[str, str],
    amount: int,
    currency: str,
    *,
    source: str | None,
    description: str | None = None,
    fees: Mapping[str, int] | None = None,
    available_after: float = 0.0,
) -> BalanceTransaction:
    """Write one movement. Needs a transaction.

    Args:
        world: the sandbox.
        account: whose balance moves.
        movement: `type` and `reporting_category`.
        amount: signed, in minor units, before fees.
        currency: lower case.
        source: the id of what caused it.
        description: words for a person.
        fees: what Stripe keeps, by name.
        available_after: provider seconds until the money can be used.
    """
    details = [FeeDetail(amount=fee, currency=currency, description=name) for name, fee in (fees or {}).items()]
    fee = sum(detail.amount for detail in details)
    transaction = BalanceTransaction(
        id=ids.stripe_id("txn"),
        created_at=world.clock.now_s(),
        account=account,
        amount=amount,
        available_on=world.clock.after(available_after) // 1000,
        currency=currency,
        description=description,
        fee=fee,
        fee_details=details,
        net=amount - fee,
        reporting_category=movement[1],
        source=source,
        status="pending" if available_after else "available",
        type=movement[0],
    )
    world.store.put(transaction)
    if available_after:
        world.agenda.plan("stripe.funds.available", transaction.id, available_after)
    return transaction


def processing_fee(amount: int) -> int:
    """2.9 % of the amount, halves up, and 30 minor units, whatever the currency."""
    return (amount * _FEE_PER_MILLE + 500) // 1000 + _FEE_FIXED


def make_available(world: World, transaction_id: str) -> None:
    """Money on its way has arrived."""
    transaction = world.store.get(BalanceTransaction, transaction_id)
    if transaction and transaction.status == "pending":
        transaction.status = "available"
        transaction.available_on = min(transaction.available_on, world.clock.now_s())
        world.store.put(transaction)


def totals(world: World, account: str) -> dict[str, dict[str, int]]:
    """Available and pending money by currency, in minor units."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: {"available": 0, "pending": 0})
    for transaction in transactions_of(world, account):
        sums[transaction.currency][transaction.status] += transaction.net
    return sums or {"usd": {"available": 0, "pending": 0}}


def available(world: World, account: str, currency: str) -> int:
    """What of a balance can be used now, in minor units."""
    movements = world.store.find(BalanceTransaction, {"account": account, "currency": currency}, limit=_ALL)
    return sum(transaction.net for transaction in movements if transaction.status == "available")


def transactions_of(world: World, account: str, currency: str | None = None) -> list[BalanceTransaction]:
    """All movements of an account, newest first."""
    return world.store.find(BalanceTransaction, {"account": account, "currency": currency}, limit=_ALL)


def top_up(world: World, body: TopupBody) -> BalanceTransaction:
    """Put money on a balance, available at once: the sandbox's own way to a balance that can be transferred."""
    account = body.account or world.settings.stripe_account_id
    return book(world, account, ("topup", "topup"), body.amount, body.currency, source=None, description="Top-up")


def _amount(currency: str, amount: int) -> JsonValue:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}
