"""`/razorpay/v1/payments`, and what becomes of a payment: authorised, captured, failed, late, given back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.links import credit_link, takes
from tillhouse.sandbox.razorpay.schemas import (
    CaptureBody,
    ListQuery,
    Method,
    NotesBody,
    Order,
    Payment,
    Wire,
    collection,
)
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/payments", dependencies=[Depends(require_key)])

_MINUTE = 60


@router.get("")
async def list_payments(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Payments, newest first."""
    payments = world.store.find(Payment, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([payment.wire() for payment in payments])


@router.get("/{payment_id}")
async def get_payment(world: Here, payment_id: str) -> Wire:
    """One payment."""
    return find_payment(world, payment_id).wire()


@router.patch("/{payment_id}")
async def patch_payment(world: Here, payment_id: str, body: NotesBody) -> Wire:
    """Replace a payment's notes."""
    payment = find_payment(world, payment_id)
    payment.notes = body.notes
    world.store.put(payment)
    return payment.wire()


@router.post("/{payment_id}/capture")
async def capture_payment(world: Here, payment_id: str, body: CaptureBody) -> Wire:
    """Take exactly the authorised amount."""
    payment = find_payment(world, payment_id)
    if payment.captured:
        raise RazorpayError("This payment has already been captured", step="payment_capture")
    if payment.status != "authorized":
        raise RazorpayError(
            "Only payments which have been authorized and not yet captured can be captured", step="payment_capture"
        )
    if body.amount != payment.amount:
        raise RazorpayError(
            "Capture amount must be equal to the amount authorized", field="amount", step="payment_capture"
        )
    if body.currency != payment.currency:
        raise RazorpayError("Currency does not match the payment's", field="currency", step="payment_capture")
    with world.store.transaction():
        capture(world, payment, order_of(world, payment))
    return payment.wire()


def find_payment(world: World, payment_id: str) -> Payment:
    """The payment.

    Raises:
        RazorpayError: there is none.
    """
    payment = world.store.get(Payment, payment_id)
    if payment is None:
        raise no_such_id()
    return payment


def order_of(world: World, payment: Payment) -> Order | None:
    """The order that the payment pays; None for a payment of a QR code."""
    return world.store.get(Order, payment.order_id) if payment.order_id else None


def authorize(world: World, payment: Payment, order: Order) -> None:
    """The bank said yes: authorised, and captured where the order asks for it. Needs a transaction."""
    payment.status = "authorized"
    payment.error_code = payment.error_description = None
    payment.error_source = payment.error_step = payment.error_reason = None
    payment.acquirer_data = acquirer_data(payment.method)
    world.store.put(payment)
    events.emit(world, "payment.authorized", payment)
    if _captured_by_itself(world, payment, order):
        capture(world, payment, order)
    else:
        keep_for = order.rule.capture_options.manual_expiry_period * _MINUTE
        world.agenda.plan("payment.expire", payment.id, keep_for)


def capture(world: World, payment: Payment, order: Order | None) -> None:
    """Take the authorised money: 2 % and GST on it are the fee. Needs a transaction."""
    payment.status, payment.captured, payment.captured_at = "captured", True, world.clock.now_s()
    payment.fee, payment.tax = fee_and_tax(payment.amount)
    world.store.put(payment)
    events.emit(world, "payment.captured", payment)
    if order is not None:
        _credit_order(world, payment, order)


def fail(world: World, payment: Payment, description: str, reason: str) -> None:
    """The bank said no. Needs a transaction."""
    payment.status = "failed"
    payment.error_code, payment.error_description = "BAD_REQUEST_ERROR", description
    payment.error_source, payment.error_step, payment.error_reason = "bank", "payment_authorization", reason
    world.store.put(payment)
    events.emit(world, "payment.failed", payment)


def authorize_late(world: World, payment_id: str) -> None:
    """A payment reported as failed turns out to have gone through."""
    payment = world.store.get(Payment, payment_id)
    order = order_of(world, payment) if payment else None
    if payment and order and payment.status == "failed":
        authorize(world, payment, order)


def fee_and_tax(amount: int) -> tuple[int, int]:
    """Fee (GST included) and the GST in it, in paise: 2 % of the amount, 18 % on that, halves up."""
    fee = (amount * 2 + 50) // 100
    tax = (fee * 18 + 50) // 100
    return fee + tax, tax


def _credit_order(world: World, payment: Payment, order: Order) -> None:
    """Count the money; an order that may be paid in parts is paid when nothing is left, any other at once."""
    order.amount_paid += payment.amount
    order.amount_due = max(0, order.amount - order.amount_paid)
    if not order.partial_payment or not order.amount_due:
        order.status = "paid"
    world.store.put(order)
    if order.status == "paid":
        events.emit(world, "order.paid", payment, order)
    credit_link(world, payment, order)


def _captured_by_itself(world: World, payment: Payment, order: Order) -> bool:
    """Automatic capture, unless the order is paid, its link takes no such money, or the yes came too late for it."""
    if order.rule.capture != "automatic" or order.status == "paid" or not takes(world, order, payment.amount):
        return False
    period = order.rule.capture_options.automatic_expiry_period
    age = (world.clock.now_s() - payment.created_at) * world.clock.scale
    return period is None or age <= period * _MINUTE


def acquirer_data(method: Method) -> dict[str, str | None]:
    """The bank's own references of a payment."""
    if method == "upi":
        return {"rrn": ids.bank_reference(), "upi_transaction_id": ids.token(32).upper()}
    if method == "netbanking":
        return {"bank_transaction_id": ids.bank_reference(8)}
    if method == "wallet":
        return {"transaction_id": None}
    return {"auth_code": ids.bank_reference(6)}
