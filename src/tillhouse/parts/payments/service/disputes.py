"""Disputes: a payer's bank takes money back, in whatever order we hear of it.

While it runs, what there is of the money is set aside; lost, it is taken from its owner (what is missing becomes a
debt); won, it is free again, or given back where it had been lost before. Lost in part, that part is taken, and the
rest is free again. The gateway's fee is the house's.
"""

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.work import emit
from tillhouse.parts.payments.domain import DisputeFacts, DisputeState, dispute_step, next_dispute_check
from tillhouse.parts.payments.domain.refunds import DISPUTES_RUN
from tillhouse.parts.payments.events import DisputeLost, DisputeOpened, DisputeWon
from tillhouse.parts.payments.models import DisputeRow, OrderRow, PaymentRow, RefundRow
from tillhouse.parts.payments.service.attention import count_dispute, look_into, no_longer
from tillhouse.parts.payments.service.given_back import restate, room_for
from tillhouse.parts.payments.service.returns import (
    book_chargeback,
    bring_home,
    collect_debt,
    free_disputed,
    hold_disputed,
    return_chargeback,
    take_rest_of_chargeback,
)
from tillhouse.parts.payments.store import refunds as store

BEYOND_WHAT_WAS_PAID = "given_back_more_than_paid"


async def settle_dispute(session: Session, facts: DisputeFacts) -> str | None:
    """Take in what the gateway says of a dispute. Needs a transaction of its own. Old news changes nothing.

    Returns why it was put aside instead (and put before a person), or None.
    """
    subject = f"{facts.provider}:{facts.dispute_id}"
    found = await store.lock_payment_by_provider_id(session, facts.provider, facts.payment_id)
    if found is None:
        await look_into(session, "dispute", subject, "unknown_payment")
        return "unknown_payment"
    order, payment = found
    if payment.captured_at is None:
        await look_into(session, "dispute", subject, "payment_not_captured", payment=str(payment.id))
        return "payment_not_captured"
    dispute = await store.dispute_by_provider_id(session, facts.provider, facts.dispute_id)
    if dispute is None and facts.amount.unit != payment.currency:
        await look_into(
            session, "dispute", subject, "foreign_currency",
            payment=str(payment.id), amount=facts.amount.minor, currency=facts.amount.unit,
        )  # fmt: skip
        return "foreign_currency"
    if dispute is None:
        dispute = await _heard_of(session, order, payment, facts)
    elif dispute.amount != facts.amount.minor or dispute.currency != facts.amount.unit:
        await look_into(session, "dispute", str(dispute.id), "dispute_amount_changed", now=facts.amount.minor)
        return "dispute_amount_changed"
    dispute.respond_by = facts.respond_by or dispute.respond_by
    before = DisputeState(dispute.state)
    if _disagrees(dispute, facts):
        await look_into(
            session, "dispute", str(dispute.id), "provider_disagrees",
            ours=before, theirs=facts.state, our_part=dispute.lost_part, their_part=facts.lost_part,
        )  # fmt: skip
    elif before == facts.state:
        await no_longer(session, str(dispute.id), "provider_disagrees")
    if dispute_step(before, facts.state):
        if facts.state in DISPUTES_RUN:
            _move(session, dispute, facts.state)
        else:
            await _decided(session, order, payment, dispute, facts)
    dispute.next_check_at = next_dispute_check(DisputeState(dispute.state), clock.now())
    await restate(session, order, payment)
    return None


async def take_what_is_free(session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow) -> None:
    """A refund went nowhere after all: what is disputed of its money is set aside, and what the payer's bank had taken
    beside it is its owner's loss, not the house's.

    Needs the order's lock.
    """
    for dispute in await store.disputes_of_payment(session, payment.id):
        more = min(dispute.lost.minor - dispute.taken, await room_for(session, payment))
        if dispute.state in DISPUTES_RUN:
            await free_disputed(session, dispute)
            await bring_home(session, order, dispute.hold_id, key=f"dispute:{dispute.id}:{refund.id}")
            dispute.hold_id = None
            await hold_disputed(session, order, payment, dispute, again=f":{refund.id}:{refund.transaction_id or 0}")
        elif dispute.state == DisputeState.LOST and more > 0:
            await take_rest_of_chargeback(session, order, payment, dispute, Money(more, dispute.currency))
            await session.flush()
            if dispute.taken == dispute.lost.minor:
                await no_longer(session, str(dispute.id), BEYOND_WHAT_WAS_PAID)


def _disagrees(dispute: DisputeRow, facts: DisputeFacts) -> bool:
    """Whether the gateway now says that more, or another part, is lost than we have booked."""
    if facts.state != DisputeState.LOST:
        return False
    if dispute.state == DisputeState.LOST:
        return facts.lost_part != dispute.lost_part
    return dispute.state == DisputeState.WON


async def _heard_of(session: Session, order: OrderRow, payment: PaymentRow, facts: DisputeFacts) -> DisputeRow:
    now = clock.now()
    dispute = DisputeRow(
        id=new_id(),
        payment_id=payment.id,
        provider=facts.provider,
        provider_dispute_id=facts.dispute_id,
        state=DisputeState.OPEN,
        reason=facts.reason,
        amount=facts.amount.minor,
        currency=facts.amount.unit,
        fee=0,
        taken=0,
        advanced=0,
        opened_at=now,
        updated_at=now,
    )
    session.add(dispute)
    count_dispute(session, facts.provider, DisputeState.OPEN)
    await hold_disputed(session, order, payment, dispute)
    await session.flush()
    await look_into(
        session, "dispute", str(dispute.id), "disputed", amount=dispute.amount, currency=dispute.currency,
        payment=str(payment.id), respond_by=facts.respond_by.isoformat() if facts.respond_by else None,
    )  # fmt: skip
    await emit(session, DisputeOpened(dispute_id=dispute.id))
    return dispute


async def _decided(
    session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow, facts: DisputeFacts
) -> None:
    lost = facts.state == DisputeState.LOST
    if dispute.state == DisputeState.LOST:
        key = f"reinstated:{dispute.id}"
        dispute.reversal_id = await return_chargeback(session, order, payment, dispute, key=key)
        dispute.taken = dispute.advanced = 0
    else:
        key = f"dispute:{dispute.id}"
        await free_disputed(session, dispute)
        await bring_home(session, order, dispute.hold_id, key=key)
        dispute.lost_part = facts.lost_part if lost else None
        dispute.transaction_id = await _take(session, order, payment, dispute) if lost else None
    dispute.closed_at = clock.now()
    _move(session, dispute, facts.state)
    dispute.fee = facts.fee  # booked with the settlement that kept it, as the fees of payments are
    await session.flush()
    await collect_debt(session, order.owner_kind, order.owner_id, order.currency, key=key)
    await emit(session, DisputeLost(dispute_id=dispute.id) if lost else DisputeWon(dispute_id=dispute.id))


async def _take(session: Session, order: OrderRow, payment: PaymentRow, dispute: DisputeRow) -> int:
    lost = dispute.lost.minor
    dispute.taken = min(lost, await room_for(session, payment))
    if dispute.taken < lost:
        await look_into(session, "dispute", str(dispute.id), BEYOND_WHAT_WAS_PAID, taken=dispute.taken)
    return await book_chargeback(session, order, payment, dispute)


def _move(session: Session, dispute: DisputeRow, state: DisputeState) -> None:
    dispute.state, dispute.updated_at = state, clock.now()
    count_dispute(session, dispute.provider, state)
