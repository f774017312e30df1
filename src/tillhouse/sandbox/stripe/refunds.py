"""`/v1/refunds`, and what becomes of a refund: at once for most cards, later, or given back by the bank."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.money import money
from tillhouse.sandbox.stripe import balance
from tillhouse.sandbox.stripe.calls import PREFIX, Call, Calling, StripeRoute
from tillhouse.sandbox.stripe.charging import card_of_charge
from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, shown
from tillhouse.sandbox.stripe.payment_schemas import Charge, PaymentIntent, Refund, RefundBody, RefundQuery
from tillhouse.sandbox.stripe.schemas import MetadataBody, Params, Wire, merged
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/refunds", route_class=StripeRoute)

SETTLING_SECONDS = 120.0

expandable("re", Refund)
expandable("pyr", Refund)


@router.post("")
async def create_refund(call: Calling, body: Annotated[RefundBody, Depends(params(RefundBody))]) -> Wire:
    """Give money back, all that is left unless an amount says otherwise."""
    charge = _charge_of(call, body)
    amount = _refundable(charge, body.amount)
    with call.world.store.transaction():
        refund = _create(call.world, charge, amount, body)
    return shown(call, refund, body)


@router.get("")
async def list_refunds(call: Calling, query: Annotated[RefundQuery, Depends(params(RefundQuery))]) -> Wire:
    """Refunds, newest first."""
    return listed(call, Refund, query, query.model_dump(include={"charge", "payment_intent"}), "/v1/refunds")


@router.get("/{refund_id}")
async def get_refund(call: Calling, refund_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One refund."""
    return shown(call, find(call.world, Refund, refund_id, call.account), query)


@router.post("/{refund_id}")
async def update_refund(
    call: Calling, refund_id: str, body: Annotated[MetadataBody, Depends(params(MetadataBody))]
) -> Wire:
    """Change a refund's metadata."""
    refund = find(call.world, Refund, refund_id, call.account)
    refund.metadata = merged(refund.metadata, body.metadata)
    with call.world.store.transaction():
        call.world.store.put(refund)
        _say_updated(call.world, refund)
    return shown(call, refund, body)


@router.post("/{refund_id}/cancel")
async def cancel_refund(call: Calling, refund_id: str, body: Annotated[Params, Depends(params(Params))]) -> Wire:
    """Take back a refund that waits for the payer's bank details."""
    refund = find(call.world, Refund, refund_id, call.account)
    if refund.status != "requires_action":
        message = f"This refund cannot be canceled because it has a status of {refund.status}."
        raise StripeError(f"{message} Only a refund that requires action can be canceled.")
    with call.world.store.transaction():
        _undo(call.world, refund, "canceled", None)
    return shown(call, refund, body)


def settle(world: World, refund_id: str) -> None:
    """What a refund's card (or payer) decides comes to pass."""
    refund = world.store.get(Refund, refund_id)
    if refund is not None:
        finish(world, refund, succeeds=refund.fate == "succeeds")


def finish(world: World, refund: Refund, *, succeeds: bool) -> bool:
    """Take a refund to its end, by time or by hand; whether it could go there. A failed one gives the money back."""
    with world.store.transaction():
        if succeeds and refund.status in {"pending", "requires_action"}:
            _succeed(world, refund)
            _say_updated(world, refund)
            return True
        if not succeeds and refund.status in {"pending", "requires_action", "succeeded"}:
            _undo(world, refund, "failed", "expired_or_canceled_card")
            emit(world, "refund.failed", refund)
            return True
    return False


def _charge_of(call: Call, body: RefundBody) -> Charge:
    if body.charge is not None:
        return find(call.world, Charge, body.charge, call.account, "charge")
    if body.payment_intent is None:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise bad_parameter(message, "payment_intent", "parameter_missing")
    intent = find(call.world, PaymentIntent, body.payment_intent, call.account, "payment_intent")
    charge = call.world.store.get(Charge, intent.latest_charge or "")
    if charge is None or not charge.captured:
        raise StripeError(
            f"This PaymentIntent ({intent.id}) does not have a successful charge to refund.",
            code="payment_intent_unexpected_state",
            param="payment_intent",
        )
    return charge


def _refundable(charge: Charge, asked: int | None) -> int:
    if not charge.captured:
        raise StripeError(f"Charge {charge.id} has not been captured, or has failed.", code="charge_not_refundable")
    if charge.disputed:
        raise StripeError(f"Charge {charge.id} has been charged back; cannot issue a refund.", code="charge_disputed")
    left = charge.amount_captured - charge.amount_refunded
    if left == 0:
        raise StripeError(f"Charge {charge.id} has already been refunded.", code="charge_already_refunded")
    amount = left if asked is None else asked
    if amount > left:
        message = (
            f"Refund amount ({money(amount, charge.currency)}) is greater than unrefunded amount on charge"
            f" ({money(left, charge.currency)})"
        )
        raise StripeError(message, param="amount")
    return amount


def _create(world: World, charge: Charge, amount: int, body: RefundBody) -> Refund:
    card = card_of_charge(charge)
    refund = Refund(
        id=ids.stripe_id("re" if card else "pyr"),
        created_at=world.clock.now_s(),
        account=charge.account,
        amount=amount,
        charge=charge.id,
        currency=charge.currency,
        metadata=merged({}, body.metadata),
        payment_intent=charge.payment_intent,
        reason=body.reason,
        status="pending",
        fate="fails" if card and card.refund == "fails_later" else "succeeds",
    )
    if charge.payment_method_details and charge.payment_method_details["type"] == "promptpay":
        _ask_for_bank_details(world, refund, charge, body)
    elif card is None or card.refund == "pending":
        refund.pending_reason = "processing"
    else:
        refund.status = "succeeded"
    _move_out(world, refund, charge)
    world.store.put(refund)
    emit(world, "refund.created", refund)
    emit(world, "charge.refunded", charge)
    if refund.status != "succeeded" or refund.fate == "fails":
        world.agenda.plan("stripe.refund.settle", refund.id, SETTLING_SECONDS)
    else:
        refund.destination_details = _arrived(card is not None)
        world.store.put(refund)
        _say_updated(world, refund)
    return refund


def _ask_for_bank_details(world: World, refund: Refund, charge: Charge, body: RefundBody) -> None:
    """A wallet cannot be paid back to: Stripe writes to the payer, who answers with a bank account."""
    email = body.instructions_email or charge.billing_details.email
    if email is None:
        message = "Refunds of this payment method need `instructions_email`: the payer is asked for a bank account."
        raise bad_parameter(message, "instructions_email", "parameter_missing")
    refund.status, refund.instructions_email = "requires_action", email
    refund.next_action = {
        "type": "display_details",
        "display_details": {
            "email_sent": {"email_sent_at": world.clock.now_s(), "email_sent_to": email},
            "expires_at": world.clock.now_s() + 45 * 86_400,
        },
    }
    world.inbox.receive(
        to=email,
        sender="no-reply@stripe.sandbox",
        channel="email",
        subject=f"Your refund of {money(refund.amount, refund.currency)}",
        body="Tell us the bank account that your refund should go to. In the sandbox this happens by itself.",
    )


def _move_out(world: World, refund: Refund, charge: Charge) -> None:
    movement = ("refund", "refund") if charge.id.startswith("ch_") else ("payment_refund", "refund")
    transaction = balance.book(
        world,
        refund.account,
        movement,
        -refund.amount,
        refund.currency,
        source=refund.id,
        description="REFUND FOR CHARGE" + (f" ({charge.description})" if charge.description else ""),
    )
    refund.balance_transaction = transaction.id
    charge.amount_refunded += refund.amount
    charge.refunded = charge.amount_refunded >= charge.amount_captured
    world.store.put(charge)


def _succeed(world: World, refund: Refund) -> None:
    refund.status, refund.pending_reason, refund.next_action = "succeeded", None, None
    refund.destination_details = _arrived(refund.id.startswith("re_"))
    world.store.put(refund)


def _undo(world: World, refund: Refund, status: str, reason: str | None) -> None:
    """The money comes back to the balance, and the charge can be refunded again."""
    charge = world.store.get(Charge, refund.charge)
    assert charge is not None, "a refund has a charge"
    transaction = balance.book(
        world,
        refund.account,
        ("refund_failure", "refund_failure"),
        refund.amount,
        refund.currency,
        source=refund.id,
        description="REFUND FAILURE",
    )
    refund.status = "failed" if status == "failed" else "canceled"
    refund.failure_reason, refund.failure_balance_transaction = reason, transaction.id
    refund.pending_reason, refund.next_action = None, None
    charge.amount_refunded -= refund.amount
    charge.refunded = False
    world.store.put(refund)
    world.store.put(charge)
    _say_updated(world, refund)
    emit(world, "charge.updated", charge)


def _arrived(by_card: bool) -> dict[str, JsonValue]:
    if not by_card:
        return {"type": "th_bank_transfer", "th_bank_transfer": {}}
    return {
        "type": "card",
        "card": {
            "reference": ids.bank_reference(16),
            "reference_status": "available",
            "reference_type": "acquirer_reference_number",
            "type": "refund",
        },
    }


def _say_updated(world: World, refund: Refund) -> None:
    emit(world, "refund.updated", refund)
    emit(world, "charge.refund.updated", refund)
