"""What becomes of a payment intent: tried, authenticated, authorised, captured, declined, let go."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe import balance, methods
from tillhouse.sandbox.stripe.cards import TestCard, card_of, network_decline
from tillhouse.sandbox.stripe.errors import StripeError
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.following import follow
from tillhouse.sandbox.stripe.payment_schemas import Charge, PaymentIntent, PaymentMethod
from tillhouse.sandbox.stripe.promptpay import qr_payload
from tillhouse.sandbox.world import World

AUTHORIZATION_SECONDS = 7 * 86_400.0
SETTLING_SECONDS = 4 * 86_400.0

_NOT_AUTHENTICATED = {
    "code": "payment_intent_authentication_failure",
    "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new"
    " PaymentMethod to attempt to fulfill this PaymentIntent again.",
}
_NOT_PRESENT = {
    "code": "authentication_required",
    "decline_code": "authentication_required",
    "message": "Your card was declined. This transaction requires authentication.",
}


@dataclass(frozen=True)
class Declined:
    """A payment that was refused: the intent is back where it can be tried again."""

    error: dict[str, JsonValue]

    def as_error(self, intent: PaymentIntent) -> StripeError:
        """The 402 that the caller gets."""
        more = {name: value for name, value in self.error.items() if name not in {"message", "type", "code", "doc_url"}}
        return StripeError(
            str(self.error["message"]),
            status=402,
            type="card_error",
            code=str(self.error["code"]),
            more={**more, "payment_intent": intent.wire()},
        )


def attempt(
    world: World, intent: PaymentIntent, method: PaymentMethod, *, off_session: bool = False
) -> Declined | None:
    """Try to pay with `method`: the intent goes as far as it gets. Needs a transaction."""
    intent.payment_method, intent.last_payment_error, intent.next_action = method.id, None, None
    if method.type == "promptpay":
        _ask(world, intent, _qr_action(intent))
        return None
    if method.type == "us_bank_account":
        intent.status = "processing"
        world.store.put(intent)
        emit(world, "payment_intent.processing", intent)
        follow(world, intent)
        return None
    card = card_of(method.number)
    if card.refusal is not None:
        return decline(world, intent, method, network_decline(card))
    if card.authentication == "never" or (card.authentication == "unless_set_up" and method.set_up and off_session):
        authorize(world, intent, method)
        return None
    if off_session:
        return decline(world, intent, method, _NOT_PRESENT)
    _ask(world, intent, _authentication_action(intent))
    return None


def authorize(world: World, intent: PaymentIntent, method: PaymentMethod) -> Charge:
    """The bank said yes: taken, or kept for a capture. Needs a transaction."""
    charge = _new_charge(world, intent, method)
    charge.status, charge.paid = "succeeded", True
    charge.outcome = _outcome("approved_by_network", None, "Payment complete.", "authorized")
    if intent.setup_future_usage and intent.customer:
        methods.attach(world, method, intent.customer, set_up=intent.setup_future_usage == "off_session")
    elif method.customer is None:
        method.used_up = True
        world.store.put(method)
    intent.latest_charge, intent.next_action, intent.processing = charge.id, None, None
    if intent.capture_method == "manual":
        intent.status, intent.amount_capturable = "requires_capture", intent.amount
        world.store.put(charge)
        world.store.put(intent)
        emit(world, "charge.succeeded", charge)
        emit(world, "payment_intent.amount_capturable_updated", intent)
        world.agenda.plan("stripe.intent.expire", intent.id, AUTHORIZATION_SECONDS)
    else:
        _take(world, intent, charge, intent.amount)
        emit(world, "charge.succeeded", charge)
        emit(world, "payment_intent.succeeded", intent)
        _dispute_later(world, charge)
    follow(world, intent)
    return charge


def decline(world: World, intent: PaymentIntent, method: PaymentMethod, why: Mapping[str, str | None]) -> Declined:
    """The bank said no: a failed charge, and the intent wants another payment method. Needs a transaction."""
    charge = _new_charge(world, intent, method)
    charge.status = "failed"
    charge.failure_code, charge.failure_message = why["code"], why["message"]
    reason = why.get("decline_code") or why["code"]
    charge.outcome = _outcome(
        "declined_by_network", reason, "The bank did not return any further details.", "issuer_declined"
    )
    world.store.put(charge)
    emit(world, "charge.failed", charge)
    return _refused(world, intent, method, {**why, "charge": charge.id}, charge.id)


def authenticated(world: World, intent: PaymentIntent, *, succeeds: bool) -> None:
    """The person came back from their bank, or scanned the code, or did not. Needs a transaction."""
    method = methods.of_intent(world, intent)
    if succeeds:
        authorize(world, intent, method)
    elif method.type == "card":
        _refused(world, intent, method, _NOT_AUTHENTICATED, None)
    else:
        message = "The payer did not complete the payment."
        decline(world, intent, method, {"code": "payment_method_provider_decline", "message": message})


def settled(world: World, intent: PaymentIntent, *, succeeds: bool) -> None:
    """A slow payment (a bank debit) has come to its end. Needs a transaction."""
    method = methods.of_intent(world, intent)
    if succeeds:
        authorize(world, intent, method)
    else:
        message = "The customer's account has insufficient funds to cover this payment."
        decline(world, intent, method, {"code": "payment_intent_payment_attempt_failed", "message": message})


def capture(world: World, intent: PaymentIntent, amount: int) -> None:
    """Take `amount` of what was authorised and let go of the rest. Needs a transaction."""
    charge = world.store.get(Charge, intent.latest_charge or "")
    assert charge is not None, "an intent that can be captured has a charge"
    _take(world, intent, charge, amount)
    emit(world, "charge.captured", charge)
    emit(world, "payment_intent.succeeded", intent)
    follow(world, intent)
    _dispute_later(world, charge)


def cancel(world: World, intent: PaymentIntent, reason: str | None) -> None:
    """End the intent; what was authorised is let go. Needs a transaction."""
    charge = world.store.get(Charge, intent.latest_charge or "")
    if charge and intent.status == "requires_capture":
        charge.refunded, charge.amount_refunded = True, charge.amount
        world.store.put(charge)
        emit(world, "charge.expired" if reason == "automatic" else "charge.refunded", charge)
    intent.status, intent.canceled_at, intent.cancellation_reason = "canceled", world.clock.now_s(), reason
    intent.amount_capturable, intent.next_action, intent.processing = 0, None, None
    world.store.put(intent)
    emit(world, "payment_intent.canceled", intent)


def expire(world: World, intent_id: str) -> None:
    """An authorisation that nobody captured lapses after seven days."""
    intent = world.store.get(PaymentIntent, intent_id)
    if intent and intent.status == "requires_capture":
        cancel(world, intent, "automatic")


def return_address(intent: PaymentIntent) -> str | None:
    """Where the person goes after the bank's page, told what became of the payment."""
    if intent.return_url is None:
        return None
    told = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.client_secret,
        "redirect_status": "failed" if intent.status == "requires_payment_method" else "succeeded",
    }
    return f"{intent.return_url}{'&' if '?' in intent.return_url else '?'}{urlencode(told)}"


def authorize_page(intent: PaymentIntent) -> str:
    """The page that plays the payer's bank."""
    return f"{intent.base}/_sandbox/stripe/authorize/{intent.id}"


def card_of_charge(charge: Charge) -> TestCard | None:
    """The test card of a charge; None when it was not paid by card."""
    return card_of(charge.number) if charge.number else None


def _take(world: World, intent: PaymentIntent, charge: Charge, amount: int) -> None:
    card = card_of_charge(charge)
    at_once = card is not None and card.available_at_once
    transaction = balance.book(
        world,
        intent.account,
        ("charge", "charge") if card else ("payment", "charge"),
        amount,
        intent.currency,
        source=charge.id,
        description=intent.description,
        fees={"Stripe processing fees": balance.processing_fee(amount)},
        available_after=0.0 if at_once else balance.AVAILABLE_AFTER_SECONDS,
    )
    charge.captured, charge.amount_captured, charge.balance_transaction = True, amount, transaction.id
    intent.status, intent.amount_received, intent.amount_capturable = "succeeded", amount, 0
    world.store.put(charge)
    world.store.put(intent)


def _dispute_later(world: World, charge: Charge) -> None:
    card = card_of_charge(charge)
    if card and card.disputed:
        world.agenda.plan("stripe.charge.dispute", charge.id, 60.0)


def _refused(
    world: World, intent: PaymentIntent, method: PaymentMethod, why: Mapping[str, str | None], charge: str | None
) -> Declined:
    code = str(why["code"])
    docs = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
    error: dict[str, JsonValue] = {**why, "doc_url": docs, "type": "card_error", "payment_method": method.wire()}
    intent.last_payment_error = error
    intent.status, intent.payment_method = "requires_payment_method", None
    intent.next_action = intent.processing = None
    intent.latest_charge = charge or intent.latest_charge
    world.store.put(intent)
    emit(world, "payment_intent.payment_failed", intent)
    follow(world, intent)
    return Declined(error)


def _ask(world: World, intent: PaymentIntent, action: dict[str, JsonValue]) -> None:
    intent.status, intent.next_action = "requires_action", action
    world.store.put(intent)
    emit(world, "payment_intent.requires_action", intent)


def _authentication_action(intent: PaymentIntent) -> dict[str, JsonValue]:
    if intent.return_url is None:
        return {
            "type": "use_stripe_sdk",
            "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": authorize_page(intent)},
        }
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": intent.return_url, "url": authorize_page(intent)},
    }


def _qr_action(intent: PaymentIntent) -> dict[str, JsonValue]:
    image = f"{intent.base}/_sandbox/stripe/qr/{intent.id}"
    return {
        "type": "promptpay_display_qr_code",
        "promptpay_display_qr_code": {
            "data": qr_payload(intent.amount, intent.id),
            "hosted_instructions_url": authorize_page(intent),
            "image_url_png": f"{image}.png",
            "image_url_svg": f"{image}.svg",
        },
    }


def _new_charge(world: World, intent: PaymentIntent, method: PaymentMethod) -> Charge:
    charge_id = ids.stripe_id("ch" if method.type == "card" else "py")
    return Charge(
        id=charge_id,
        created_at=world.clock.now_s(),
        account=intent.account,
        amount=intent.amount,
        billing_details=method.billing_details,
        calculated_statement_descriptor=(intent.statement_descriptor or world.settings.stripe_account_name).upper(),
        currency=intent.currency,
        customer=intent.customer,
        description=intent.description,
        metadata=intent.metadata,
        payment_intent=intent.id,
        payment_method=method.id,
        payment_method_details=method.details(),
        receipt_email=intent.receipt_email,
        receipt_url=f"{intent.base}/_sandbox/stripe/receipts/{charge_id}",
        shipping=intent.shipping,
        statement_descriptor=intent.statement_descriptor,
        statement_descriptor_suffix=intent.statement_descriptor_suffix,
        transfer_group=intent.transfer_group,
        number=method.number,
    )


def _outcome(network: str, reason: str | None, message: str, kind: str) -> dict[str, JsonValue]:
    return {
        "network_status": network,
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": message,
        "type": kind,
    }
