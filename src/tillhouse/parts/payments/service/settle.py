"""The one function that books money which came in, whoever brings the news: browser, webhook, or our own asking."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import OrderState, PaymentFacts, mismatch, order_step
from tillhouse.parts.payments.events import CapturePayment, CheckRefunds, PaymentCaptured, PaymentFailed, SettlePurpose
from tillhouse.parts.payments.models import OrderRow, PaymentRow
from tillhouse.parts.payments.ports import SettledPayment
from tillhouse.parts.payments.service.attention import look_into, order_moved
from tillhouse.parts.payments.service.books import book_deposit
from tillhouse.parts.payments.service.registry import purpose, settings_of
from tillhouse.parts.payments.service.returns import collect_debt
from tillhouse.parts.payments.store.refunds import refunded_total

_log = get_logger(__name__)

PURPOSE_CRASHES = "purpose_keeps_crashing"


async def settle(session: Session, facts: PaymentFacts, *, source: str = "") -> str | None:
    """Take in what the gateway says of one payment, after asking it. Needs a transaction of its own.

    `source` is the house's account that its money comes from, if not the gateway's clearing account. Old news changes
    nothing. Returns why the payment was put aside instead (and put before a person), or None.
    """
    subject = f"{facts.provider}:{facts.payment_id}"
    order = await store.lock_order_by_provider_id(session, facts.provider, facts.order_id)
    if order is None:
        await look_into(session, "payment", subject, "unknown_order", order=facts.order_id)
        return "unknown_order"
    reason = mismatch(order.money, facts.amount)
    if reason:
        expected, found = f"{order.amount} {order.currency}", f"{facts.amount.minor} {facts.amount.unit}"
        await look_into(session, "payment", subject, reason, order=str(order.id), expected=expected, found=found)
        return reason
    payment = await _payment(session, order, facts)
    if payment.order_id != order.id:
        await look_into(session, "payment", subject, "payment_of_another_order", order=str(order.id))
        return "payment_of_another_order"
    await _take_in(session, order, payment, facts, source)
    await session.flush()
    return None


async def settle_purpose(session: Session, payment_id: UUID) -> None:
    """Another try at what the product does for a payment. Raises what the product raises, except refusals."""
    payment = await store.payment_by_id(session, payment_id)
    order = await store.lock_order(session, payment.order_id) if payment else None
    if payment is None or order is None:
        return
    await session.refresh(payment)
    if payment.purpose_state != "crashed":
        return
    error = await _let_purpose_act(session, order, payment)
    if error and payment.purpose_state == "crashed":
        raise error
    await pay_debt(session, order, payment)
    await store.close_exception(session, subject=str(payment.id), reason=PURPOSE_CRASHES)


async def _payment(session: Session, order: OrderRow, facts: PaymentFacts) -> PaymentRow:
    """The row of this payment, made when this is the first we hear of it. The order's lock keeps it to one."""
    found = await store.payment_by_provider_id(session, facts.provider, facts.payment_id)
    if found is None:
        found = first_heard_of(session, order, facts)
        await session.flush()
    return found


def first_heard_of(session: Session, order: OrderRow, facts: PaymentFacts) -> PaymentRow:
    """The row of a payment that we had not heard of. Needs its order's lock."""
    now = clock.now()
    made = PaymentRow(
        id=new_id(),
        order_id=order.id,
        provider=facts.provider,
        provider_payment_id=facts.payment_id,
        state=OrderState.PENDING,
        amount=facts.amount.minor,
        currency=facts.amount.unit,
        method=facts.method,
        refunded=0,
        created_at=now,
        updated_at=now,
    )
    session.add(made)
    return made


def step_of(payment: PaymentRow, facts: PaymentFacts) -> OrderState | None:
    """Where what the gateway says moves a payment: None for nowhere.

    What was captured stays so: from then on refunds and disputes alone move it.
    """
    return None if payment.captured_at else order_step(OrderState(payment.state), facts.state)


def take_facts(payment: PaymentRow, facts: PaymentFacts, step: OrderState | None) -> None:
    """Note what the gateway says, and move the payment by `step`."""
    if facts.fee is not None:
        payment.fee, payment.tax = facts.fee, facts.tax
    if step:
        payment.state, payment.updated_at = step, clock.now()
        payment.error_code, payment.error_message = facts.error_code, facts.error_message


async def _take_in(session: Session, order: OrderRow, payment: PaymentRow, facts: PaymentFacts, source: str) -> None:
    step = step_of(payment, facts)
    take_facts(payment, facts, step)
    if step == OrderState.AUTHORIZED:
        await _authorized(session, order, payment)
    elif step == OrderState.CAPTURED:
        await _captured(session, order, payment, facts, source)
    elif step == OrderState.FAILED:
        await _failed(session, order, payment)
    if payment.captured_at and facts.state == OrderState.FAILED:
        await look_into(session, "payment", str(payment.id), "failed_after_capture", order=str(order.id))
    if payment.captured_at and facts.refunded > await refunded_total(session, payment.id):
        deadline = clock.now() + settings_of(session).too_old
        await enqueue(session, CheckRefunds(payment_id=payment.id), deadline=deadline)


async def _authorized(session: Session, order: OrderRow, payment: PaymentRow) -> None:
    _move(session, order, OrderState.AUTHORIZED)
    wait = settings_of(session).capture_after
    await enqueue(session, CapturePayment(payment_id=payment.id), run_at=clock.now() + wait, unique=str(payment.id))


async def _failed(session: Session, order: OrderRow, payment: PaymentRow) -> None:
    others = await store.payments_of_order(session, order.id)
    if not any(other.state == OrderState.AUTHORIZED and other.id != payment.id for other in others):
        order.failure_code, order.failure_message = payment.error_code, payment.error_message
        _move(session, order, OrderState.FAILED)
    await emit(session, PaymentFailed(payment_id=payment.id))


async def _captured(session: Session, order: OrderRow, payment: PaymentRow, facts: PaymentFacts, source: str) -> None:
    """Book the money. A second payment of one order is the buyer's money too: it is booked, and sold nothing for."""
    payment.transaction_id = await book_deposit(session, order, facts, source=source)
    payment.captured_at = clock.now()
    first = pay_order(session, order, payment)
    await emit(session, PaymentCaptured(payment_id=payment.id))
    if not first:
        payment.purpose_state = "surplus"
        await look_into(session, "payment", str(payment.id), "paid_twice", order=str(order.id))
        await pay_debt(session, order, payment)
        return
    if await _let_purpose_act(session, order, payment) and payment.purpose_state == "crashed":
        await enqueue(session, SettlePurpose(payment_id=payment.id))
    else:
        await pay_debt(session, order, payment)


def pay_order(session: Session, order: OrderRow, payment: PaymentRow) -> bool:
    """Let a captured payment pay its order. False when another one has, or when it is too late for it."""
    if order.paid_at is not None or not _move(session, order, OrderState.CAPTURED):
        return False
    order.paid_at, order.next_check_at = payment.captured_at, None
    order.failure_code = order.failure_message = None
    return True


async def _let_purpose_act(session: Session, order: OrderRow, payment: PaymentRow) -> Exception | None:
    """Let the product do its part in a savepoint: whatever it does, the money stays booked."""
    settled = SettledPayment(
        payment.id, order.id, order.owner_kind, order.owner_id, order.purpose, order.purpose_reference, payment.money
    )
    known = purpose(house_of(session), order.purpose)
    try:
        if known is None:
            raise LookupError(f"this process does not know the purpose {order.purpose}")
        async with session.begin_nested():
            await known.on_settled(session, settled)
    except Exception as error:  # noqa: BLE001  a product's bug must not undo the booking of money that has come in
        await session.refresh(payment)
        await session.refresh(order)
        refused = isinstance(error, DomainError) and not isinstance(error, TransientError)
        payment.purpose_state = "refused" if refused else "crashed"
        payment.purpose_reason = error.code if isinstance(error, DomainError) else type(error).__name__
        if refused:
            await look_into(session, "purpose", str(payment.id), "purpose_refused", code=payment.purpose_reason)
        else:
            _log.exception("purpose_crashed", purpose=order.purpose, payment=str(payment.id))
        return error
    payment.purpose_state, payment.purpose_reason = "done", None
    return None


async def pay_debt(session: Session, order: OrderRow, payment: PaymentRow) -> None:
    """What the purpose left of the money pays first what its owner owes."""
    await collect_debt(session, order.owner_kind, order.owner_id, order.currency, key=f"payment:{payment.id}")


def _move(session: Session, order: OrderRow, wanted: OrderState) -> bool:
    step = order_step(OrderState(order.state), wanted)
    if step is None:
        return False
    order.state, order.updated_at = step, clock.now()
    order_moved(session, order)
    return True
