"""`POST /razorpay/v1/payments/create/recurring`: charges by a token, and the debits that follow a day and more later.

Before a debit its holder's bank tells them of it, so a payment stays `created` for 25 hours (UPI) or 36 (cards).
"""

from typing import Literal

from fastapi import APIRouter, Depends
from pydantic import Field, StrictInt

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.orders import find_order
from tillhouse.sandbox.razorpay.payments import authorize, fail
from tillhouse.sandbox.razorpay.schemas import Body, Card, Notes, Order, Payment, Upi, Wire
from tillhouse.sandbox.razorpay.signing import checkout_signature
from tillhouse.sandbox.razorpay.tokens import Token, token_of
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/payments/create", dependencies=[Depends(require_key)])

_HOUR = 3600.0
DEBIT_AFTER_SECONDS = {"upi": 25 * _HOUR, "card": 36 * _HOUR + 300}
_NOT_ACTIVE = {
    "paused": ("mandate_paused", "UPI mandate is not active, it is paused by user."),
    "cancelled": ("mandate_cancelled", "UPI mandate created for payment has been cancelled by user."),
    "cancellation_initiated": ("mandate_cancelled", "UPI mandate created for payment has been cancelled by user."),
}
_GONE = ("invalid_token", "Invalid Token.")


class RecurringBody(Body):
    """Body of `POST /payments/create/recurring`."""

    email: str
    contact: str | int
    amount: StrictInt = Field(ge=100)
    currency: str
    order_id: str
    customer_id: str
    token: str
    recurring: Literal[True, "1", 1, "true"]
    description: str | None = Field(None, max_length=255)
    notes: Notes = {}


@router.post("/recurring")
async def create_recurring(world: Here, body: RecurringBody) -> Wire:
    """Begin a charge. Nothing here keeps a second one from being begun for an order that is not paid yet."""
    order, token = find_order(world, body.order_id), token_of(world, body.customer_id, body.token)
    _require(world, order, token, body)
    with world.store.transaction():
        order.attempts, order.status = order.attempts + 1, "attempted"
        world.store.put(order)
        payment = _payment(world, order, token, body)
        world.store.put(payment)
        world.agenda.plan("recurring.debit", payment.id, DEBIT_AFTER_SECONDS[token.method])
    if token.method == "upi":
        return {"razorpay_payment_id": payment.id}
    return {
        "razorpay_payment_id": payment.id,
        "razorpay_order_id": order.id,
        "razorpay_signature": checkout_signature(world.settings.razorpay_key_secret, order.id, payment.id),
    }


def debit(world: World, payment_id: str) -> None:
    """Its holder's bank debits, or does not. Harmless for a payment that has ended."""
    payment = world.store.get(Payment, payment_id)
    order = world.store.get(Order, payment.order_id or "") if payment else None
    if payment is None or order is None or payment.status != "created":
        return
    token = world.store.get(Token, payment.token_id or "")
    refusal = _refusal(token)
    if token and token.next_failure:
        token.next_failure = None
        world.store.put(token)
    if refusal:
        fail(world, payment, refusal[1], refusal[0])
    else:
        authorize(world, payment, order)


def _refusal(token: Token | None) -> tuple[str, str] | None:
    if token is None:
        return _GONE
    return _NOT_ACTIVE.get(token.status) or token.next_failure


def _require(world: World, order: Order, token: Token, body: RecurringBody) -> None:
    if order.status == "paid":
        raise RazorpayError("Payment has already been made for this order", field="order_id")
    if order.mandate is not None or body.currency != order.currency:
        raise RazorpayError("An order of its own is needed for each recurring payment", field="order_id")
    if body.amount != order.amount:
        raise RazorpayError("Your payment amount is different from your order amount.", field="amount")
    if token.status != "confirmed":
        raise RazorpayError(f"The token is {token.status}: it cannot be charged", field="token")
    if token.expired_at <= world.clock.now_s():
        raise RazorpayError("The token has expired", field="token")
    if body.amount > token.max_amount:
        raise RazorpayError("Amount exceeds maximum amount allowed", field="amount")


def _payment(world: World, order: Order, token: Token, body: RecurringBody) -> Payment:
    vpa = f"{token.vpa.username}@{token.vpa.handle}" if token.vpa else None
    card = Card(id=ids.razorpay_id("card"), last4=token.card.last4, network=token.card.network) if token.card else None
    return Payment(
        id=ids.razorpay_id("pay"),
        created_at=world.clock.now_s(),
        amount=body.amount,
        currency=body.currency,
        status="created",
        order_id=order.id,
        method=token.method,
        description=body.description,
        card=card,
        card_id=card.id if card else None,
        vpa=vpa,
        upi=Upi(vpa=vpa) if vpa else None,
        email=body.email,
        contact=str(body.contact),
        customer_id=token.customer_id,
        token_id=token.id,
        notes=body.notes,
    )


def pending_debit(world: World, payment_id: str) -> Payment:
    """A debit that its bank has not decided yet.

    Raises:
        RazorpayError: there is none.
    """
    payment = world.store.get(Payment, payment_id)
    if payment is None or payment.status != "created" or payment.token_id is None:
        raise no_such_id()
    return payment
