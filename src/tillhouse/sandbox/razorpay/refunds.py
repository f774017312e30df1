"""`/razorpay/v1/payments/{id}/refund` and `/razorpay/v1/refunds`."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import body_hash, key_is_well_formed, remember_key, require_key, used_before
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.payments import find_payment
from tillhouse.sandbox.razorpay.schemas import (
    ListQuery,
    NotesBody,
    Payment,
    Refund,
    RefundBody,
    Wire,
    collection,
)
from tillhouse.sandbox.razorpay.settling import adjust, deducted_for_disputes, is_settled
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1", dependencies=[Depends(require_key)])

_NORMAL_SPEED_SECONDS = 120.0
_LONGEST_AGE = int(timedelta(days=183).total_seconds())  # by the calendar: dates on the wire are real ones
_INSTANT_METHODS = {"upi", "card"}  # the sandbox's own rule: refunds of the others fall back to normal speed
_KEY_PATTERN = r"[A-Za-z0-9_-]{10,}"


@router.post("/payments/{payment_id}/refund")
async def create_refund(
    world: Here,
    payment_id: str,
    body: RefundBody | None = None,
    key: Annotated[str | None, Header(alias="X-Refund-Idempotency")] = None,
) -> Wire:
    """Give money back, all of it unless an amount says otherwise; once per idempotency key."""
    body = body or RefundBody()
    digest = body_hash(payment_id, body)
    with world.store.transaction():
        payment = find_payment(world, payment_id)
        earlier = _refund_made_with(world, key, digest) if key is not None else None
        if earlier is not None:
            return earlier.wire()
        refund = refund_payment(world, payment, _refundable(world, payment, body.amount), body)
        if key is not None:
            remember_key(world, "refund", key, digest, refund.id)
    return refund.wire()


@router.get("/payments/{payment_id}/refunds")
async def list_refunds_of_payment(world: Here, payment_id: str, query: Annotated[ListQuery, Query()]) -> Wire:
    """A payment's refunds."""
    payment = find_payment(world, payment_id)
    return _refunds(world, query, payment.id)


@router.get("/payments/{payment_id}/refunds/{refund_id}")
async def get_refund_of_payment(world: Here, payment_id: str, refund_id: str) -> Wire:
    """One refund of a payment."""
    refund = find_refund(world, refund_id)
    if refund.payment_id != payment_id:
        raise no_such_id()
    return refund.wire()


@router.get("/refunds")
async def list_refunds(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Refunds, newest first."""
    return _refunds(world, query, None)


@router.get("/refunds/{refund_id}")
async def get_refund(world: Here, refund_id: str) -> Wire:
    """One refund."""
    return find_refund(world, refund_id).wire()


@router.patch("/refunds/{refund_id}")
async def patch_refund(world: Here, refund_id: str, body: NotesBody) -> Wire:
    """Replace a refund's notes."""
    refund = find_refund(world, refund_id)
    refund.notes = body.notes
    world.store.put(refund)
    return refund.wire()


def find_refund(world: World, refund_id: str) -> Refund:
    """The refund.

    Raises:
        RazorpayError: there is none.
    """
    refund = world.store.get(Refund, refund_id)
    if refund is None:
        raise no_such_id()
    return refund


def refund_payment(world: World, payment: Payment, amount: int, body: RefundBody) -> Refund:
    """Give `amount` paise back: at once when asked for `optimum` where the method can, else later. In a transaction."""
    instant = body.speed == "optimum" and payment.method in _INSTANT_METHODS
    refund = Refund(
        id=ids.razorpay_id("rfnd"),
        created_at=world.clock.now_s(),
        amount=amount,
        currency=payment.currency,
        payment_id=payment.id,
        notes=body.notes,
        receipt=body.receipt,
        status="pending",
        speed_requested=body.speed,
        speed_processed="instant" if instant else "normal",
    )
    _count_refunded(payment, amount)
    world.store.put(payment)
    world.store.put(refund)
    events.emit(world, "refund.created", refund, payment)
    if instant:
        settle_refund(world, refund.id, succeeds=True)
    else:
        if body.speed == "optimum":
            events.emit(world, "refund.speed_changed", refund, payment)
        world.agenda.plan("refund.process", refund.id, _NORMAL_SPEED_SECONDS)
    return find_refund(world, refund.id)


def settle_refund(world: World, refund_id: str, *, succeeds: bool) -> Refund | None:
    """The bank took the refund, or did not. None when the refund is not waiting for that."""
    refund = world.store.get(Refund, refund_id)
    if refund is None or refund.status != "pending":
        return None
    payment = find_payment(world, refund.payment_id)
    with world.store.transaction():
        if succeeds:
            refund.status, refund.acquirer_data = "processed", {"arn": ids.bank_reference()}
        else:
            refund.status = "failed"
            _count_refunded(payment, -refund.amount)
            world.store.put(payment)
            if is_settled(world, refund.id):
                adjust(world, refund.amount, f"Failed refund {refund.id} credited", payment.id)
        world.store.put(refund)
        events.emit(world, f"refund.{refund.status}", refund, payment)
    return refund


def process(world: World, refund_id: str) -> None:
    """Time has passed: a refund that still waits goes through."""
    settle_refund(world, refund_id, succeeds=True)


def expire_authorization(world: World, payment_id: str) -> None:
    """Money that nobody captured in time goes back by itself; the payment keeps `captured: false`."""
    payment = world.store.get(Payment, payment_id)
    if payment and payment.status == "authorized":
        payment.auto_refunded = True
        refund_payment(world, payment, payment.amount, RefundBody(speed="normal"))


def _refund_made_with(world: World, key: str, digest: str) -> Refund | None:
    if not key_is_well_formed(key, _KEY_PATTERN):
        raise RazorpayError(
            "The idempotency key must have at least 10 letters, digits, hyphens or underscores",
            field="X-Refund-Idempotency",
        )
    earlier = used_before(world, "refund", key)
    if earlier is None:
        return None
    if not earlier.made:
        raise RazorpayError(
            "Request failed because another request is in progress with the same Idempotency Header",
            status=409,
            field="X-Refund-Idempotency",
        )
    if earlier.body_hash != digest:
        raise RazorpayError("Different request body sent for the same Idempotency Header", field="X-Refund-Idempotency")
    return find_refund(world, earlier.made)


def _refundable(world: World, payment: Payment, asked: int | None) -> int:
    if payment.status == "refunded":
        raise RazorpayError("The payment has been fully refunded already", step="payment_refund")
    if payment.status != "captured":
        raise RazorpayError("The payment status should be captured for action to be taken", step="payment_refund")
    if payment.created_at < world.clock.now_s() - _LONGEST_AGE:
        raise RazorpayError("The payment is more than 6 months old and cannot be refunded", step="payment_refund")
    left = payment.amount - payment.amount_refunded - deducted_for_disputes(world, payment.id)
    amount = left if asked is None else asked
    if not 0 < amount <= left:
        raise RazorpayError(
            "The total refund amount is greater than the refund payment amount", field="amount", step="payment_refund"
        )
    return amount


def _count_refunded(payment: Payment, amount: int) -> None:
    payment.amount_refunded += amount
    full = payment.amount_refunded >= payment.amount
    payment.refund_status = "full" if full else "partial" if payment.amount_refunded else None
    if full:
        payment.status = "refunded"
    elif payment.status == "refunded":
        payment.status = "authorized" if payment.auto_refunded else "captured"


def _refunds(world: World, query: ListQuery, payment_id: str | None) -> Wire:
    refunds = world.store.find(
        Refund,
        {"payment_id": payment_id},
        since=query.since,
        until=query.until,
        limit=query.count,
        skip=query.skip,
    )
    return collection([refund.wire() for refund in refunds])
