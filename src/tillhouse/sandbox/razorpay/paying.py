"""A person at the checkout: what they pay with, and what comes of it."""

from dataclasses import dataclass
from typing import Literal

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay.errors import RazorpayError
from tillhouse.sandbox.razorpay.links import require_payable
from tillhouse.sandbox.razorpay.payments import authorize, fail
from tillhouse.sandbox.razorpay.schemas import Card, Method, Order, Payment, Upi, Wire
from tillhouse.sandbox.razorpay.signing import checkout_signature
from tillhouse.sandbox.razorpay.tokens import begin_token
from tillhouse.sandbox.world import World

Outcome = Literal["success", "failure", "abandoned", "late_success"]

LATE_AFTER_SECONDS = 300.0
BANKS = {"HDFC": "HDFC Bank", "ICIC": "ICICI Bank", "SBIN": "State Bank of India", "UTIB": "Axis Bank"}


@dataclass(frozen=True)
class TestCard:
    """One of Razorpay's test cards; `refusal` is (reason, description) for those that never work."""

    network: str
    refusal: tuple[str, str] | None = None


TEST_CARDS = {
    "4100280000001007": TestCard("Visa"),
    "5500670000001002": TestCard("MasterCard"),
    "6527658900001005": TestCard("RuPay"),
    "4100280000080001": TestCard("Visa", ("insufficient_fund", "The account has too little money for this payment.")),
    "4100280000090000": TestCard("Visa", ("payment_timed_out", "The payment was not completed in time.")),
    "4100280000070002": TestCard("Visa", ("payment_cancelled", "The payment was cancelled.")),
    "4100280000060003": TestCard("Visa", ("card_declined", "The card was declined by its bank.")),
}

_REFUSED = ("payment_failed", "Your payment did not go through. Any money debited comes back within a few days.")
_BANK_IS_SLOW = ("payment_timed_out", "Your bank did not answer in time. If money was debited, it is not lost.")


@dataclass(frozen=True)
class Attempt:
    """One try at paying an order: what is due of it, unless `amount` says otherwise (a part, or to test refusals)."""

    method: Method = "upi"
    vpa: str | None = None
    card_number: str | None = None
    bank: str | None = None
    wallet: str | None = None
    email: str | None = None
    contact: str | None = None
    amount: int | None = None
    currency: str | None = None
    recurring: bool = False  # checkout was opened for an authorisation: `recurring: "1"` and the customer


def pay(
    world: World,
    order: Order,
    attempt: Attempt,
    outcome: Outcome,
    *,
    refusal: tuple[str, str] | None = None,
    late_after: float = LATE_AFTER_SECONDS,
) -> Wire:
    """Let a person pay `order`: what checkout hands back to the page, with the webhooks queued.

    Success answers the three signed fields; failure and late success answer `error`; abandoned leaves no trace.
    `late_after` is in the provider's seconds.

    Raises:
        RazorpayError: the order is paid already, belongs to a payment link that takes no such payment, or asks for an
            authorisation by another method.
    """
    if order.status == "paid":
        raise RazorpayError("Payment has already been made for this order", field="order_id")
    require_payable(world, order, attempt.amount)
    if order.mandate and attempt.method != order.method:
        raise RazorpayError(f"This order is authorised by {order.method}.", field="method")
    if outcome == "abandoned":
        return {"abandoned": True, "razorpay_order_id": order.id}
    with world.store.transaction():
        order.attempts += 1
        order.status = "attempted"
        world.store.put(order)
        payment = _new_payment(world, order, attempt)
        if outcome == "success":
            if order.mandate and attempt.recurring:
                begin_token(world, order, payment)
            authorize(world, payment, order)
        else:
            reason, description = refusal or (_BANK_IS_SLOW if outcome == "late_success" else _REFUSED)
            fail(world, payment, description, reason)
        if outcome == "late_success":
            world.agenda.plan("payment.authorize_late", payment.id, late_after)
    return answer_of(world, payment)


def answer_of(world: World, payment: Payment) -> Wire:
    """What checkout's `handler` (or its `payment.failed` event) gets for this payment."""
    if payment.status == "failed":
        return {
            "error": {
                "code": payment.error_code,
                "description": payment.error_description,
                "source": payment.error_source,
                "step": payment.error_step,
                "reason": payment.error_reason,
                "metadata": {"order_id": payment.order_id, "payment_id": payment.id},
            }
        }
    return {
        "razorpay_payment_id": payment.id,
        "razorpay_order_id": payment.order_id,
        "razorpay_signature": checkout_signature(
            world.settings.razorpay_key_secret, payment.order_id or "", payment.id
        ),
    }


def _new_payment(world: World, order: Order, attempt: Attempt) -> Payment:
    payment = Payment(
        id=ids.razorpay_id("pay"),
        created_at=world.clock.now_s(),
        amount=order.amount_due if attempt.amount is None else attempt.amount,
        currency=attempt.currency or order.currency,
        status="created",
        order_id=order.id,
        method=attempt.method,
        notes=order.notes,
        customer_id=order.customer_id,
    )
    payment.email, payment.contact = attempt.email or payment.email, attempt.contact or payment.contact
    if attempt.method == "upi":
        payment.vpa = attempt.vpa or "success@razorpay"
        payment.upi = Upi(vpa=payment.vpa)
    elif attempt.method in {"card", "emi"}:
        payment.card = _card(attempt.card_number or "4100280000001007")
        payment.card_id = payment.card.id
    elif attempt.method == "netbanking":
        payment.bank = attempt.bank or "HDFC"
    else:
        payment.wallet = attempt.wallet or "payzapp"
    return payment


def _card(number: str) -> Card:
    known = TEST_CARDS.get(number)
    return Card(id=ids.razorpay_id("card"), last4=number[-4:], network=known.network if known else "Visa")
