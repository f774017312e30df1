"""`/v1/payouts`: from a balance to a bank, by hand or as the automatic payout of all there is."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe import balance
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.connect_schemas import (
    Account,
    BalanceTransaction,
    Payout,
    PayoutBody,
    PayoutQuery,
    PayoutStatus,
)
from tillhouse.sandbox.stripe.errors import StripeError, insufficient_balance
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, in_range, page_of, shown
from tillhouse.sandbox.stripe.schemas import MetadataBody, Params, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/payouts", route_class=StripeRoute)

LEAVING_SECONDS = 60.0
TRAVELLING_SECONDS = 180.0
RETURNING_SECONDS = 600.0

# Stripe's test account numbers, and one of the sandbox's own: paid at first, sent back later.
FATE_OF_ACCOUNT = {
    "000111111116": "no_account",
    "000111111113": "account_closed",
    "000222222227": "insufficient_funds",
    "000333333335": "debit_not_authorized",
    "000444444440": "invalid_currency",
    "000999999991": "paid_then_no_account",
}
_WHY = {
    "no_account": "The bank account details on file are probably incorrect. No bank account exists with that number.",
    "account_closed": "The bank account has been closed.",
    "insufficient_funds": "Your Stripe account has insufficient funds to cover the payout.",
    "debit_not_authorized": "Debit transactions are not approved on your bank account.",
    "invalid_currency": "The bank was unable to process this payout because of its currency.",
    "could_not_process": "The bank could not process this payout.",
}
_NEXT: dict[PayoutStatus, tuple[PayoutStatus, ...]] = {
    "pending": ("in_transit", "canceled", "failed"),
    "in_transit": ("paid", "failed"),
    "paid": ("failed",),
}

expandable("po", Payout)


@router.post("")
async def create_payout(call: Calling, body: Annotated[PayoutBody, Depends(params(PayoutBody))]) -> Wire:
    """Send money to the account's bank."""
    if body.amount > balance.available(call.world, call.account, body.currency):
        raise insufficient_balance()
    connected = call.world.store.get(Account, call.account)
    if connected is not None and not connected.payouts_enabled:
        message = "Cannot create payouts: this account has not finished its onboarding."
        raise StripeError(message, code="payouts_not_allowed")
    with call.world.store.transaction():
        payout = _create(call.world, call.account, body, automatic=False)
    return shown(call, payout, body)


@router.get("")
async def list_payouts(call: Calling, query: Annotated[PayoutQuery, Depends(params(PayoutQuery))]) -> Wire:
    """Payouts, newest first."""
    where = {"account": call.account, "status": query.status, "destination": query.destination}
    found = call.world.store.find(Payout, where, limit=100_000)
    arriving = [payout for payout in found if in_range(payout.arrival_date, query.arrival_date)]
    return page_of(call, arriving, query, "/v1/payouts")


@router.get("/{payout_id}")
async def get_payout(call: Calling, payout_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One payout."""
    return shown(call, find(call.world, Payout, payout_id, call.account), query)


@router.post("/{payout_id}")
async def update_payout(
    call: Calling, payout_id: str, body: Annotated[MetadataBody, Depends(params(MetadataBody))]
) -> Wire:
    """Change a payout's metadata."""
    payout = find(call.world, Payout, payout_id, call.account)
    payout.metadata = merged(payout.metadata, body.metadata)
    with call.world.store.transaction():
        call.world.store.put(payout)
        emit(call.world, "payout.updated", payout)
    return shown(call, payout, body)


@router.post("/{payout_id}/cancel")
async def cancel_payout(call: Calling, payout_id: str, body: Annotated[Params, Depends(params(Params))]) -> Wire:
    """Take back a payout that has not left."""
    payout = find(call.world, Payout, payout_id, call.account)
    if payout.automatic or payout.status != "pending":
        message = "Payouts can only be canceled while pending, and only when they were made by hand."
        raise StripeError(message, code="payout_not_cancelable")
    move(call.world, payout, "canceled")
    return shown(call, payout, body)


def run_automatic(world: World, account: str, *, available_only: bool) -> list[Payout]:
    """Pay out everything on a balance that no payout has taken yet, one payout per currency.

    Args:
        world: the sandbox.
        account: whose balance.
        available_only: leave what is on its way for another day, as Stripe does; otherwise it is made available.
    """
    made: list[Payout] = []
    with world.store.transaction():
        for currency in sorted({t.currency for t in balance.transactions_of(world, account)}):
            taken = [t for t in balance.transactions_of(world, account, currency) if _can_go(t, available_only)]
            amount = sum(transaction.net for transaction in taken)
            if amount > 0:
                made.append(_pay_out(world, account, currency, amount, taken))
    return made


def advance(world: World, payout_id: str) -> None:
    """Time has passed: the payout leaves, arrives, or comes back, as its bank account decides."""
    payout = world.store.get(Payout, payout_id)
    if payout is None:
        return
    if payout.status == "pending":
        move(world, payout, "in_transit")
    elif payout.status == "in_transit":
        arrives = payout.fate in {"paid", "paid_then_no_account"}
        move(world, payout, "paid" if arrives else "failed")
    elif payout.status == "paid" and payout.fate == "paid_then_no_account":
        move(world, payout, "failed")


def move(world: World, payout: Payout, status: PayoutStatus) -> bool:
    """Take the payout to `status` with its money and its webhooks; False, and nothing, when it cannot go there."""
    if status not in _NEXT.get(payout.status, ()):
        return False
    with world.store.transaction():
        payout.status = status
        if status == "failed":
            payout.failure_code = _failure_of(payout)
            payout.failure_message = _WHY[payout.failure_code]
            payout.failure_balance_transaction = _give_back(world, payout, "payout_failure")
        elif status == "canceled":
            payout.failure_balance_transaction = _give_back(world, payout, "payout_cancel")
        elif status == "paid":
            payout.trace_id = {"status": "supported", "value": ids.bank_reference()}
        world.store.put(payout)
        _say(world, payout)
        _plan_next(world, payout)
    return True


def _create(world: World, account: str, body: PayoutBody, *, automatic: bool) -> Payout:
    connected = world.store.get(Account, account)
    takes = LEAVING_SECONDS + TRAVELLING_SECONDS
    payout = Payout(
        id=ids.stripe_id("po"),
        created_at=world.clock.now_s(),
        account=account,
        amount=body.amount,
        arrival_date=world.clock.after(takes) // 1000,
        automatic=automatic,
        currency=body.currency,
        description=body.description or ("STRIPE PAYOUT" if automatic else None),
        destination=(connected.bank if connected else "") or f"ba_{account.removeprefix('acct_')}",
        metadata=merged({}, body.metadata),
        method=body.method,
        reconciliation_status="completed" if automatic else "not_applicable",
        source_type=body.source_type,
        statement_descriptor=body.statement_descriptor,
        fate=FATE_OF_ACCOUNT.get(connected.account_number, "paid") if connected else "paid",
    )
    transaction = balance.book(
        world,
        account,
        ("payout", "payout"),
        -body.amount,
        body.currency,
        source=payout.id,
        description=payout.description or "STRIPE PAYOUT",
    )
    payout.balance_transaction = transaction.id
    world.store.put(payout)
    emit(world, "payout.created", payout)
    world.agenda.plan("stripe.payout.advance", payout.id, LEAVING_SECONDS)
    return payout


def _pay_out(world: World, account: str, currency: str, amount: int, taken: list[BalanceTransaction]) -> Payout:
    payout = _create(world, account, PayoutBody(amount=amount, currency=currency), automatic=True)
    own = world.store.get(BalanceTransaction, payout.balance_transaction or "")
    for transaction in [*taken, *([own] if own else [])]:
        balance.make_available(world, transaction.id)
        fresh = world.store.get(BalanceTransaction, transaction.id)
        if fresh is not None:
            world.store.put(fresh.model_copy(update={"payout": payout.id}))
    emit(world, "payout.reconciliation_completed", payout)
    return payout


def _can_go(transaction: BalanceTransaction, available_only: bool) -> bool:
    return transaction.payout is None and (transaction.status == "available" or not available_only)


def _give_back(world: World, payout: Payout, kind: str) -> str:
    return balance.book(
        world,
        payout.account,
        (kind, "payout_reversal"),
        payout.amount,
        payout.currency,
        source=payout.id,
        description=kind.upper().replace("_", " "),
    ).id


def _failure_of(payout: Payout) -> str:
    code = payout.fate.removeprefix("paid_then_")
    return code if code in _WHY else "could_not_process"


def _say(world: World, payout: Payout) -> None:
    if payout.status != "in_transit":
        emit(world, f"payout.{payout.status}", payout)
    emit(world, "payout.updated", payout)


def _plan_next(world: World, payout: Payout) -> None:
    if payout.status == "in_transit":
        world.agenda.plan("stripe.payout.advance", payout.id, TRAVELLING_SECONDS)
    elif payout.status == "paid" and payout.fate == "paid_then_no_account":
        world.agenda.plan("stripe.payout.advance", payout.id, RETURNING_SECONDS)
