"""Bank transfers: money that names its order by a code in free text.

Whatever comes in is booked into suspense first, and leaves it for the order's owner when it is clear what it is for:

    exactly what is missing     the order is paid
    less                        it waits; the transfer that completes it pays the order
    more                        the order is paid, the rest goes to the owner's wallet
    two orders, their sum       both are paid; any other sum waits for a person
    no order of ours            it waits for a person, with the orders that cost as much
    an order that was paid      all of it goes to the owner's wallet, and a person looks
    nobody's                    a person sends it back at the bank, and says which transfer that was

What goes out, and what came to an account that takes no payments, is written down and booked nowhere.
"""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store as order_store
from tillhouse.parts.payments.domain import OrderState, PaymentFacts, TransferFacts, begins_of_codes, find_codes
from tillhouse.parts.payments.models import OrderRow, TransferRow
from tillhouse.parts.payments.service.attention import count_transfer, look_into
from tillhouse.parts.payments.service.books import TRANSFERS, clearing, wallet_of
from tillhouse.parts.payments.service.registry import settings_of
from tillhouse.parts.payments.service.returns import collect_debt
from tillhouse.parts.payments.service.separation import may_be_done
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.store import transfers as store

SENT_BACK = "sent_back"


async def settle_transfer(session: Session, facts: TransferFacts) -> None:
    """Take in a line of our bank account. Needs a transaction of its own. The same line again changes nothing."""
    earlier = await store.transfer_by_provider_id(session, facts.provider, facts.transfer_id)
    if earlier is not None:
        if (earlier.money, earlier.direction) != (facts.amount, facts.direction):
            await look_into(session, "transfer", str(earlier.id), "transfer_changed", now=facts.amount.minor)
        return
    row = _row(session, facts)
    orders: Sequence[OrderRow] = []
    if row.state == "unplaced":
        orders = await _orders_named(session, facts)  # before the ledger's accounts, as whoever works on an order
        row.transaction_id = await _book(session, row)
    if not await store.insert_transfer(session, row):
        return  # another transaction took it in while we waited
    transfer = await store.lock_transfer(session, row.id)
    assert transfer is not None
    if transfer.state == "unplaced":
        await _place(session, transfer, orders, facts.content)
    elif transfer.state == "parked":
        await _look_into(session, transfer, "wrong_account")
    count_transfer(session, facts.provider, transfer.state)
    await session.flush()


async def place_transfer(session: Session, transfer_row_id: UUID, order_id: UUID, *, by: UUID) -> TransferRow:
    """A person says which order an unplaced transfer is for; a large one moves when a second person says the same.

    Raises `NotFound`, `Conflict`, and `Forbidden` for an order of one's own.
    """
    transfer, orders = await _unplaced(session, transfer_row_id, order_id)
    order = orders.get(order_id)
    if order is None or order.provider != transfer.provider:
        raise NotFound(N_("There is no such payment."))
    if order.currency != transfer.currency:
        raise Conflict(N_("This order is in another currency than the transfer."))
    if not await may_be_done(session, transfer, "place", order.id, by=by, order=order):
        return transfer
    transfer.state, transfer.order_id = "unplaced", None  # what it waited for before counts no longer
    await session.flush()
    await _place_one(session, transfer, order)
    await _close(session, transfer)
    await session.flush()
    return transfer


async def release_transfer(session: Session, transfer_row_id: UUID, *, by: UUID) -> TransferRow:
    """A person gives up on the rest of a part payment: its money goes to the wallet of the order's owner, that of a
    large one when a second person says the same.

    Raises `NotFound`, `Conflict` for a transfer that waits for no order, and `Forbidden` for an order of one's own.
    """
    transfer, orders = await _unplaced(session, transfer_row_id)
    order = orders[transfer.order_id] if transfer.order_id else None
    if order is None:
        raise Conflict(N_("This transfer belongs to no order yet: say first which one it is for."))
    if not await may_be_done(session, transfer, "release", order.id, by=by, order=order):
        return transfer
    await _to_owner(session, transfer, order, transfer.money)
    _all_placed(transfer)
    await _close(session, transfer)
    await session.flush()
    return transfer


async def check_waits(session: ReadSession, transfer_row_id: UUID) -> None:
    """Raise `NotFound`, or `Conflict` for a transfer whose money has left suspense."""
    _check_waits(await store.transfer_by_id(session, transfer_row_id))


async def send_back_transfer(session: Session, transfer_row_id: UUID, by_row_id: UUID, *, by: UUID) -> TransferRow:
    """A person says that a transfer whose money waits was sent back to its sender, by the outgoing transfer `by_row_id`
    that the bank tells of: nothing is paid out here. The outgoing line of the bank is explained by it. Of a large one a
    second person has to say the same.

    Raises `NotFound`, `Forbidden` for a part of an order of one's own, and `Conflict` unless that one left the same
    account, over the same amount, and explains nothing yet.
    """
    transfer, orders = await _unplaced(session, transfer_row_id)
    outgoing = await store.lock_transfer(session, by_row_id)
    if outgoing is None:
        raise NotFound(N_("There is no such transfer."))
    same = (transfer.provider, transfer.account, transfer.money)
    if outgoing.state != "outgoing" or (outgoing.provider, outgoing.account, outgoing.money) != same:
        raise Conflict(N_("That transfer did not send this one back: it has another amount, or explains another one."))
    order = orders[transfer.order_id] if transfer.order_id else None
    if not await may_be_done(session, transfer, "sent_back", outgoing.id, by=by, order=order):
        return transfer
    posting = ledger.Posting(
        key=f"payments.transfer_sent_back:{transfer.id}",
        kind="payments.transfer_sent_back",
        legs=(
            ledger.debit(ledger.house_account(TRANSFERS, transfer.currency), transfer.money),
            ledger.credit(clearing(transfer.provider, transfer.currency), transfer.money),
        ),
        metadata={"transfer": str(transfer.id), "sent_back_by": str(outgoing.id)},
    )
    outgoing.transaction_id = (await ledger.post(session, posting)).id
    for row in (transfer, outgoing):
        _all_placed(row)
        row.reason = SENT_BACK
    await _close(session, transfer)
    count_transfer(session, transfer.provider, SENT_BACK)
    await session.flush()
    return transfer


async def partly_paid_too_late(session: Session, order: OrderRow) -> None:
    """Put an expired order that was paid in part before a person: the money waits in suspense."""
    waiting = await store.waiting_for(session, order.id)
    if waiting:
        total = sum(transfer.amount for transfer in waiting)
        await look_into(session, "order", str(order.id), "partly_paid", received=total, asked=order.amount)


async def missing_of(session: ReadSession, order: OrderRow) -> Money:
    """What is still to be paid of an order by bank transfer."""
    waiting = sum(transfer.amount for transfer in await store.waiting_for(session, order.id))
    return Money(order.amount - waiting, order.currency)


async def _orders_named(session: Session, facts: TransferFacts) -> Sequence[OrderRow]:
    """The orders that a transfer names by their codes, locked."""
    codes = find_codes(facts.content, settings_of(session).transfer_prefix)
    if facts.code:
        codes = list(dict.fromkeys([*codes, facts.code.strip(), facts.code.strip().upper()]))
    return await store.lock_orders_by_codes(session, facts.provider, codes) if codes else []


async def _place(session: Session, transfer: TransferRow, orders: Sequence[OrderRow], content: str) -> None:
    fitting = [order for order in orders if order.currency == transfer.currency]
    if len(fitting) == 1:
        await _place_one(session, transfer, fitting[0])
    elif fitting and transfer.amount == await _sum_missing(session, fitting):
        for order in fitting:
            await _pay(session, transfer, order, f"{transfer.transfer_id}:{order.provider_order_id}")
        _all_placed(transfer)
    elif fitting:
        codes = [order.provider_order_id for order in fitting]
        await _stays(session, transfer, "several_orders", candidates=codes)
    else:
        prefix = settings_of(session).transfer_prefix
        costing = await store.candidates(session, transfer.provider, transfer.currency, transfer.amount)
        reason = "foreign_currency" if orders else "unknown_code"
        await _stays(session, transfer, reason, candidates=costing, like=begins_of_codes(content, prefix))


async def _place_one(session: Session, transfer: TransferRow, order: OrderRow) -> None:
    transfer.order_id = order.id
    missing = await missing_of(session, order)
    if order.paid_at is not None:
        await _to_owner(session, transfer, order, transfer.money)
        _all_placed(transfer)
        await _look_into(session, transfer, "paid_twice")
    elif transfer.money < missing:
        transfer.state, transfer.updated_at = "waiting", clock.now()
        if order.state == OrderState.EXPIRED:
            await session.flush()
            await partly_paid_too_late(session, order)
    else:
        await _pay(session, transfer, order, transfer.transfer_id)
        rest = transfer.money - missing
        if rest:
            await _to_owner(session, transfer, order, rest)
        _all_placed(transfer)


async def _pay(session: Session, transfer: TransferRow, order: OrderRow, payment_id: str) -> None:
    """The order is paid, out of suspense: by this transfer and those that waited for it."""
    facts = PaymentFacts(
        provider=transfer.provider,
        payment_id=payment_id,
        order_id=order.provider_order_id or "",
        amount=order.money,
        state=OrderState.CAPTURED,
        method="bank_transfer",
    )
    for waiting in await store.waiting_for(session, order.id):
        if waiting.id != transfer.id:
            _all_placed(waiting)
    await session.flush()
    await settle(session, facts, source=TRANSFERS)


async def _to_owner(session: Session, transfer: TransferRow, order: OrderRow, amount: Money) -> None:
    suspense = ledger.house_account(TRANSFERS, amount.unit)
    posting = ledger.Posting(
        key=f"payments.transfer_surplus:{transfer.id}",
        kind="payments.transfer_surplus",
        legs=(ledger.debit(suspense, amount), ledger.credit(wallet_of(order), amount)),
        metadata={"order": str(order.id), "transfer": str(transfer.id)},
    )
    try:
        await ledger.post(session, posting)
    except (ledger.AccountClosed, ledger.BalanceTooLarge) as refusal:
        await look_into(session, "transfer", str(transfer.id), "wallet_refused", code=refusal.code)
        elsewhere = ledger.credit(ledger.house_account("suspense:payments", amount.unit), amount)
        await ledger.post(
            session,
            ledger.Posting(
                key=f"payments.transfer_unplaced:{transfer.id}",
                kind=posting.kind,
                legs=(ledger.debit(suspense, amount), elsewhere),
                metadata=posting.metadata,
            ),
        )
    await collect_debt(session, order.owner_kind, order.owner_id, order.currency, key=f"transfer:{transfer.id}")


async def _book(session: Session, transfer: TransferRow) -> int:
    posting = ledger.Posting(
        key=f"payments.transfer:{transfer.provider}:{transfer.transfer_id}",
        kind="payments.transfer",
        legs=(
            ledger.debit(clearing(transfer.provider, transfer.currency), transfer.money),
            ledger.credit(ledger.house_account(TRANSFERS, transfer.currency), transfer.money),
        ),
        metadata={"transfer": transfer.transfer_id},
    )
    return (await ledger.post(session, posting)).id


async def _sum_missing(session: Session, orders: Sequence[OrderRow]) -> int | None:
    """What is missing of all of them together; None when one of them is paid already."""
    if any(order.paid_at is not None for order in orders):
        return None
    return sum([(await missing_of(session, order)).minor for order in orders])


async def _stays(session: Session, transfer: TransferRow, reason: str, **details: list[str] | list[str | None]) -> None:
    transfer.reason = reason
    shown = {name: ", ".join(one for one in value if one) for name, value in details.items()}
    await _look_into(session, transfer, reason, **shown)


def _all_placed(transfer: TransferRow) -> None:
    transfer.state, transfer.placed = "placed", transfer.amount
    transfer.reason, transfer.updated_at = None, clock.now()


async def _look_into(session: Session, transfer: TransferRow, reason: str, **details: str) -> None:
    await look_into(
        session, "transfer", str(transfer.id), reason, amount=transfer.amount, currency=transfer.currency, **details
    )


async def _close(session: Session, transfer: TransferRow) -> None:
    for reason in ("unknown_code", "several_orders", "foreign_currency"):
        await order_store.close_exception(session, subject=str(transfer.id), reason=reason)
    if transfer.order_id and transfer.state == "placed":
        await order_store.close_exception(session, subject=str(transfer.order_id), reason="partly_paid")


async def _unplaced(session: Session, transfer_row_id: UUID, *meant: UUID) -> tuple[TransferRow, dict[UUID, OrderRow]]:
    """A transfer whose money waits, and by their ids the order that it waits for and those `meant`: all locked."""
    seen = await store.transfer_by_id(session, transfer_row_id)
    wanted = {*meant, seen.order_id} if seen and seen.order_id else {*meant}
    orders = {order.id: order for order in await store.lock_orders(session, wanted)} if wanted else {}
    transfer = _check_waits(await store.lock_transfer(session, transfer_row_id))
    if transfer.order_id and transfer.order_id not in orders:
        raise Conflict(N_("Somebody else has just said what this transfer is for: look at it again."))
    return transfer, orders


def _check_waits(transfer: TransferRow | None) -> TransferRow:
    if transfer is None:
        raise NotFound(N_("There is no such transfer."))
    if transfer.state not in ("waiting", "unplaced"):
        raise Conflict(N_("The money of this transfer has been placed already."))
    return transfer


def _row(session: Session, facts: TransferFacts) -> TransferRow:
    accounts, now = settings_of(session).transfer_accounts, clock.now()
    foreign = bool(accounts) and facts.account not in accounts
    return TransferRow(
        id=new_id(),
        provider=facts.provider,
        transfer_id=facts.transfer_id,
        account=facts.account,
        direction=facts.direction,
        amount=facts.amount.minor,
        currency=facts.amount.unit,
        content=house_of(session).vault.seal(facts.content),
        bank_reference=facts.bank_reference,
        state="outgoing" if facts.direction == "out" else "parked" if foreign else "unplaced",
        placed=0,
        happened_at=facts.at,
        recorded_at=now,
        updated_at=now,
    )
