"""What was given back of a payment, by refunds and disputes together, and what that makes of it and of its order."""

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.domain import left_to_refund, paid_state
from tillhouse.parts.payments.models import OrderRow, PaymentRow
from tillhouse.parts.payments.service.attention import order_moved
from tillhouse.parts.payments.store import refunds as store


async def restate(session: Session, order: OrderRow, payment: PaymentRow) -> None:
    """Bring a paid payment and its order to the state that its refunds and disputes make. Needs the order's lock."""
    await session.flush()
    disputes = await store.disputes_of_payment(session, payment.id)
    runs = any(dispute.closed_at is None for dispute in disputes)
    back = await store.refunded_total(session, payment.id, done=True) + sum(dispute.taken for dispute in disputes)
    state, now = paid_state(paid=payment.amount, given_back=back, disputed=runs), clock.now()
    payment.refunded, payment.state, payment.updated_at = min(back, payment.amount), state, now
    if payment.purpose_state != "surplus" and order.state != state:
        order.state, order.updated_at = state, now
        order_moved(session, order)
    await session.flush()


async def room_for(session: ReadSession, payment: PaymentRow) -> int:
    """How much of a payment the payer's bank can still take from its owner: what was not refunded or taken before."""
    disputes = await store.disputes_of_payment(session, payment.id)
    return left_to_refund(
        paid=payment.amount,
        refunds=await store.refunded_total(session, payment.id),
        disputes=sum(dispute.taken for dispute in disputes),
    )


async def left_of(session: ReadSession, payment: PaymentRow) -> int:
    """How much of a payment may still be given back: running disputes count as if they were lost."""
    disputes = await store.disputes_of_payment(session, payment.id)
    counted = sum(dispute.amount if dispute.closed_at is None else dispute.taken for dispute in disputes)
    return left_to_refund(
        paid=payment.amount, refunds=await store.refunded_total(session, payment.id), disputes=counted
    )
