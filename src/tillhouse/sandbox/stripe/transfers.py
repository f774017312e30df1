"""Connect's `/v1/transfers`: from the platform's balance to a connected account's, and back."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.money import money
from tillhouse.sandbox.stripe import balance
from tillhouse.sandbox.stripe.calls import PREFIX, Call, Calling, StripeRoute
from tillhouse.sandbox.stripe.connect_schemas import (
    Account,
    Reversal,
    ReversalBody,
    Transfer,
    TransferBody,
    TransferQuery,
    TransferUpdate,
)
from tillhouse.sandbox.stripe.errors import StripeError, insufficient_balance, missing
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, list_of, listed, on_demand, page_of, shown
from tillhouse.sandbox.stripe.payment_schemas import Charge
from tillhouse.sandbox.stripe.schemas import ListQuery, MetadataBody, Params, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/transfers", route_class=StripeRoute)


def _reversals_of(world: World, transfer_id: str) -> Wire:
    reversals = world.store.find(Reversal, {"transfer": transfer_id})
    return list_of([reversal.wire() for reversal in reversals], f"/v1/transfers/{transfer_id}/reversals")


expandable("tr", Transfer)
expandable("trr", Reversal)
on_demand("transfer", "reversals", _reversals_of)


@router.post("")
async def create_transfer(call: Calling, body: Annotated[TransferBody, Depends(params(TransferBody))]) -> Wire:
    """Move available money to a connected account; with `source_transaction`, that charge's money as it comes in."""
    destination = call.world.store.get(Account, body.destination)
    if destination is None:
        raise missing("destination", body.destination, "destination")
    if destination.capabilities.get("transfers") != "active":
        message = (
            "Your destination account needs to have at least one of the following capabilities enabled: transfers,"
            " crypto_transfers, legacy_payments"
        )
        raise StripeError(message, code="insufficient_capabilities_for_transfer")
    _check_funds(call, body)
    with call.world.store.transaction():
        transfer = _create(call, body, destination)
    return _shown(call, transfer, body)


@router.get("")
async def list_transfers(call: Calling, query: Annotated[TransferQuery, Depends(params(TransferQuery))]) -> Wire:
    """Transfers, newest first."""
    where = query.model_dump(include={"destination", "transfer_group"})
    query.expand = [*query.expand, "data.reversals"]
    return listed(call, Transfer, query, where, "/v1/transfers")


@router.get("/{transfer_id}")
async def get_transfer(call: Calling, transfer_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One transfer."""
    return _shown(call, find(call.world, Transfer, transfer_id, call.account), query)


@router.post("/{transfer_id}")
async def update_transfer(
    call: Calling, transfer_id: str, body: Annotated[TransferUpdate, Depends(params(TransferUpdate))]
) -> Wire:
    """Change what is said of a transfer."""
    transfer = find(call.world, Transfer, transfer_id, call.account)
    transfer.metadata = merged(transfer.metadata, body.metadata)
    transfer.description = body.description or transfer.description
    with call.world.store.transaction():
        call.world.store.put(transfer)
        emit(call.world, "transfer.updated", transfer)
    return _shown(call, transfer, body)


@router.post("/{transfer_id}/reversals")
async def create_reversal(
    call: Calling, transfer_id: str, body: Annotated[ReversalBody, Depends(params(ReversalBody))]
) -> Wire:
    """Take back all of a transfer that is left, or part of it."""
    transfer = find(call.world, Transfer, transfer_id, call.account)
    left = transfer.amount - transfer.amount_reversed
    amount = left if body.amount is None else body.amount
    if left == 0 or amount > left:
        message = f"Transfer reversal amount ({money(amount, transfer.currency)}) is greater than unreversed amount"
        raise StripeError(f"{message} ({money(left, transfer.currency)})", param="amount")
    if amount > balance.available(call.world, transfer.destination, transfer.currency):
        raise insufficient_balance()
    with call.world.store.transaction():
        reversal = _reverse(call.world, transfer, amount, body)
    return shown(call, reversal, body)


@router.get("/{transfer_id}/reversals")
async def list_reversals(
    call: Calling, transfer_id: str, query: Annotated[ListQuery, Depends(params(ListQuery))]
) -> Wire:
    """A transfer's reversals, newest first."""
    transfer = find(call.world, Transfer, transfer_id, call.account)
    reversals = call.world.store.find(Reversal, {"transfer": transfer.id})
    return page_of(call, reversals, query, f"/v1/transfers/{transfer.id}/reversals")


@router.get("/{transfer_id}/reversals/{reversal_id}")
async def get_reversal(
    call: Calling, transfer_id: str, reversal_id: str, query: Annotated[Params, Depends(params(Params))]
) -> Wire:
    """One reversal."""
    reversal = find(call.world, Reversal, reversal_id, call.account)
    if reversal.transfer != transfer_id:
        raise missing("transfer_reversal", reversal_id)
    return shown(call, reversal, query)


@router.post("/{transfer_id}/reversals/{reversal_id}")
async def update_reversal(
    call: Calling, transfer_id: str, reversal_id: str, body: Annotated[MetadataBody, Depends(params(MetadataBody))]
) -> Wire:
    """Change a reversal's metadata."""
    reversal = find(call.world, Reversal, reversal_id, call.account)
    if reversal.transfer != transfer_id:
        raise missing("transfer_reversal", reversal_id)
    reversal.metadata = merged(reversal.metadata, body.metadata)
    call.world.store.put(reversal)
    return shown(call, reversal, body)


def _shown(call: Call, transfer: Transfer, asked: Params) -> Wire:
    asked.expand = [*asked.expand, "reversals"]
    return shown(call, transfer, asked)


def _check_funds(call: Call, body: TransferBody) -> None:
    if body.source_transaction is None:
        if body.amount > balance.available(call.world, call.account, body.currency):
            raise insufficient_balance()
        return
    charge = find(call.world, Charge, body.source_transaction, call.account, "source_transaction")
    moved = call.world.store.find(Transfer, {"source_transaction": charge.id})
    left = charge.amount_captured - charge.amount_refunded - sum(t.amount - t.amount_reversed for t in moved)
    if body.currency != charge.currency:
        raise StripeError(f"The currency of source_transaction is {charge.currency}.", param="currency")
    if body.amount > left:
        message = f"Transfers using this transaction as a source must not exceed {money(left, charge.currency)}."
        raise StripeError(message, param="amount")


def _create(call: Call, body: TransferBody, destination: Account) -> Transfer:
    world = call.world
    transfer = Transfer(
        id=ids.stripe_id("tr"),
        created_at=world.clock.now_s(),
        account=call.account,
        **body.model_dump(exclude={"expand", "destination", "metadata"}),
        destination=destination.id,
        metadata=merged({}, body.metadata),
    )
    out = balance.book(
        world,
        transfer.account,
        ("transfer", "transfer"),
        -transfer.amount,
        transfer.currency,
        source=transfer.id,
        description=transfer.description,
    )
    payment = _received(world, transfer)
    transfer.balance_transaction, transfer.destination_payment = out.id, payment.id
    world.store.put(transfer)
    emit(world, "transfer.created", transfer)
    return transfer


def _received(world: World, transfer: Transfer) -> Charge:
    """What the connected account sees of a transfer: a payment."""
    payment = Charge(
        id=ids.stripe_id("py"),
        created_at=world.clock.now_s(),
        account=transfer.destination,
        amount=transfer.amount,
        amount_captured=transfer.amount,
        captured=True,
        currency=transfer.currency,
        paid=True,
        source_transfer=transfer.id,
        status="succeeded",
    )
    payment.balance_transaction = balance.book(
        world,
        transfer.destination,
        ("payment", "charge"),
        transfer.amount,
        transfer.currency,
        source=payment.id,
    ).id
    world.store.put(payment)
    return payment


def _reverse(world: World, transfer: Transfer, amount: int, body: ReversalBody) -> Reversal:
    reversal = Reversal(
        id=ids.stripe_id("trr"),
        created_at=world.clock.now_s(),
        account=transfer.account,
        amount=amount,
        currency=transfer.currency,
        destination_payment_refund=ids.stripe_id("pyr"),
        metadata=merged({}, body.metadata),
        transfer=transfer.id,
    )
    back = balance.book(
        world,
        transfer.account,
        ("transfer_refund", "transfer_reversal"),
        amount,
        transfer.currency,
        source=reversal.id,
        description=f"REVERSAL FOR TRANSFER {transfer.id}",
    )
    balance.book(
        world,
        transfer.destination,
        ("payment_refund", "refund"),
        -amount,
        transfer.currency,
        source=reversal.destination_payment_refund,
    )
    reversal.balance_transaction = back.id
    transfer.amount_reversed += amount
    transfer.reversed = transfer.amount_reversed == transfer.amount
    world.store.put(reversal)
    world.store.put(transfer)
    emit(world, "transfer.reversed", transfer)
    return reversal
