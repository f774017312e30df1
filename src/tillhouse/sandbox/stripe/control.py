"""The sandbox's own doors to Stripe, under `/_sandbox/stripe/`: lists, and a twin for everything a person does."""

from collections.abc import Sequence
from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.stripe import accounts, balance, charging, disputes, events, methods, payouts, refunds, sessions
from tillhouse.sandbox.stripe.cards import NUMBER_OF_ALIAS
from tillhouse.sandbox.stripe.connect_schemas import Account, Payout, PayoutStatus, TopupBody, Transfer
from tillhouse.sandbox.stripe.dispute_schemas import Dispute, DisputeReason
from tillhouse.sandbox.stripe.events import Event
from tillhouse.sandbox.stripe.listing import find
from tillhouse.sandbox.stripe.payment_schemas import (
    BillingDetails,
    Charge,
    MethodData,
    PaymentIntent,
    PaymentMethod,
    Refund,
)
from tillhouse.sandbox.stripe.schemas import Entity, Wire
from tillhouse.sandbox.stripe.session_schemas import Session
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/stripe")

Outcome = Literal["success", "decline", "abandoned", "unauthenticated", "async_success", "async_failure"]

_SHOWN = 100
_CARD_OF_OUTCOME = {
    "success": "4242424242424242",
    "decline": "4000000000000002",
    "unauthenticated": "4000002500003155",
}


class Act(BaseModel):
    """What a person does; `card` is a test number or an alias such as `pm_card_visa`, and decides the outcome."""

    model_config = ConfigDict(extra="forbid")

    card: str | None = None
    outcome: Outcome = "success"
    email: str = "payer@tillhouse.test"
    name: str | None = None


class DisputeBody(BaseModel):
    """What a payer tells their bank. `amount` in minor units; all that is left when it is not given."""

    model_config = ConfigDict(extra="forbid")

    reason: DisputeReason = "fraudulent"
    amount: int | None = Field(None, ge=1)


class CloseBody(BaseModel):
    """What the bank decides."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["won", "lost"]


class RunBody(BaseModel):
    """Which balance is paid out; `available_only` leaves for another day what is still on its way, as Stripe does."""

    model_config = ConfigDict(extra="forbid")

    account: str | None = None
    available_only: bool = False


class OnboardBody(BaseModel):
    """What comes of an account's onboarding."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["complete", "restricted"] = "complete"


# --- lists ----------------------------------------------------------------------------------------------------------


@router.get("/checkout_sessions")
async def list_sessions(request: Request, world: Here) -> Response:
    """The last checkout sessions."""
    found = world.store.find(Session, limit=_SHOWN)
    return answer(request, "stripe/sessions.html", {"sessions": found}, _twin(found))


@router.get("/payments")
async def list_payments(request: Request, world: Here) -> Response:
    """The last payment intents, refunds and disputes."""
    intents = world.store.find(PaymentIntent, limit=_SHOWN)
    given_back = world.store.find(Refund, limit=_SHOWN)
    disputed = world.store.find(Dispute, limit=_SHOWN)
    charges = {intent.id: world.store.get(Charge, intent.latest_charge or "") for intent in intents}
    context = {"intents": intents, "refunds": given_back, "disputes": disputed, "charges": charges}
    twin = {**_twin(intents), "refunds": _twin(given_back)["items"], "disputes": _twin(disputed)["items"]}
    return answer(request, "stripe/payments.html", context, twin)


@router.get("/payouts")
async def list_payouts(request: Request, world: Here) -> Response:
    """The last payouts, and what is on the platform's balance."""
    found = world.store.find(Payout, limit=_SHOWN)
    sums = balance.totals(world, world.settings.stripe_account_id)
    context = {"payouts": found, "balance": sums, "fates": payouts.FATE_OF_ACCOUNT}
    return answer(request, "stripe/payouts.html", context, {**_twin(found), "balance": sums})


@router.get("/accounts")
async def list_accounts(request: Request, world: Here) -> Response:
    """Connected accounts, what is on their balances, and the last transfers."""
    found = world.store.find(Account, limit=_SHOWN)
    moved = world.store.find(Transfer, limit=_SHOWN)
    sums = {account.id: balance.totals(world, account.id) for account in found}
    context = {"accounts": found, "transfers": moved, "balances": sums}
    twin = {**_twin(found), "transfers": _twin(moved)["items"], "balances": sums}
    return answer(request, "stripe/accounts.html", context, twin)


# --- a person pays --------------------------------------------------------------------------------------------------


@router.post("/checkout_sessions/{session_id}/pay")
async def pay_session(request: Request, world: Here, session_id: str) -> Wire:
    """Let a person pay on the hosted page; a card that asks for 3-D Secure is confirmed unless `unauthenticated`."""
    session, act = find(world, Session, session_id, None), await wish_of(request, Act)
    if act.outcome == "abandoned":
        return session.wire()
    if session.mode == "setup":
        refused = sessions.keep(world, session, method_for(world, session.account, act))
        return {"session": find(world, Session, session_id, None).wire(), "refused": refused}
    declined = sessions.pay(world, session, method_for(world, session.account, act))
    session = find(world, Session, session_id, None)
    intent = find(world, PaymentIntent, session.payment_intent or "", None)
    if not declined:
        finish_act(world, intent, act)
    return {
        "session": find(world, Session, session_id, None).wire(),
        "payment_intent": find(world, PaymentIntent, intent.id, None).wire(),
    }


@router.post("/checkout_sessions/{session_id}/expire")
async def expire_session(request: Request, world: Here, session_id: str) -> Response:
    """Let a session's time run out now."""
    session = find(world, Session, session_id, None)
    if session.status != "open":
        raise HTTPException(409, f"The session is {session.status}: it cannot run out.")
    sessions.expire(world, session.id)
    return done(request, find(world, Session, session_id, None).wire(), "/_sandbox/stripe/checkout_sessions")


@router.post("/payment_intents/{intent_id}/pay")
async def pay_intent(request: Request, world: Here, intent_id: str) -> Response:
    """Let a person pay an intent, as Stripe's own form on a shop's page would; or finish what they were asked for."""
    intent, act = find(world, PaymentIntent, intent_id, None), await wish_of(request, Act)
    payable = {"requires_payment_method", "requires_confirmation", "requires_action", "processing"}
    if intent.status not in payable:
        raise HTTPException(409, f"The payment intent is {intent.status}: it cannot be paid.")
    if act.outcome != "abandoned":
        if intent.status in {"requires_payment_method", "requires_confirmation"} or act.card:
            with world.store.transaction():
                charging.attempt(world, intent, method_for(world, intent.account, act))
        finish_act(world, intent, act)
    return done(request, find(world, PaymentIntent, intent_id, None).wire(), "/_sandbox/stripe/payments")


# --- disputes, refunds ----------------------------------------------------------------------------------------------


@router.post("/charges/{charge_id}/dispute")
async def dispute_charge(request: Request, world: Here, charge_id: str) -> Response:
    """Let a payer dispute a charge."""
    charge, body = find(world, Charge, charge_id, None), await wish_of(request, DisputeBody)
    dispute = disputes.open_dispute(world, charge, body.reason, body.amount)
    return done(request, dispute.wire(), "/_sandbox/stripe/payments")


@router.post("/disputes/{dispute_id}/close")
async def close_dispute(request: Request, world: Here, dispute_id: str) -> Response:
    """Let the bank decide a dispute."""
    dispute, body = find(world, Dispute, dispute_id, None), await wish_of(request, CloseBody)
    if not disputes.close(world, dispute, won=body.outcome == "won"):
        raise HTTPException(409, f"The dispute is {dispute.status} already.")
    return done(request, dispute.wire(), "/_sandbox/stripe/payments")


@router.post("/refunds/{refund_id}/{step}")
async def step_refund(request: Request, world: Here, refund_id: str, step: Literal["succeed", "fail"]) -> Response:
    """Move a refund by hand; one that succeeded can still fail, as at real banks."""
    refund = find(world, Refund, refund_id, None)
    if not refunds.finish(world, refund, succeeds=step == "succeed"):
        raise HTTPException(409, f"A refund that is {refund.status} cannot {step}.")
    return done(request, refund.wire(), "/_sandbox/stripe/payments")


# --- payouts, balance, accounts -------------------------------------------------------------------------------------


@router.post("/payouts/run")
async def run_payouts(request: Request, world: Here) -> Response:
    """Pay out a balance (the platform's unless `account` says otherwise), as the automatic payout of a day does."""
    body = await wish_of(request, RunBody)
    account = body.account or world.settings.stripe_account_id
    made = payouts.run_automatic(world, account, available_only=body.available_only)
    return done(request, _twin(made), "/_sandbox/stripe/payouts")


@router.post("/payouts/{payout_id}/{step}")
async def step_payout(request: Request, world: Here, payout_id: str, step: Literal["send", "pay", "fail"]) -> Response:
    """Move a payout by hand: it leaves, arrives, or comes back (even after it was paid)."""
    payout = find(world, Payout, payout_id, None)
    ends: dict[str, PayoutStatus] = {"send": "in_transit", "pay": "paid", "fail": "failed"}
    if step == "pay" and payout.status == "pending":
        payouts.move(world, payout, "in_transit")
    if not payouts.move(world, payout, ends[step]):
        raise HTTPException(409, f"A payout that is {payout.status} cannot go there.")
    return done(request, payout.wire(), "/_sandbox/stripe/payouts")


@router.post("/topups")
async def top_up(request: Request, world: Here) -> Response:
    """Put money on a balance, available at once."""
    transaction = balance.top_up(world, await wish_of(request, TopupBody))
    return done(request, transaction.wire(), "/_sandbox/stripe/payouts")


@router.post("/accounts/{account_id}/onboard")
async def onboard_account(request: Request, world: Here, account_id: str) -> Response:
    """Let a connected account finish its onboarding."""
    account, body = find(world, Account, account_id, None), await wish_of(request, OnboardBody)
    accounts.onboard(world, account, outcome=body.outcome)
    return done(request, account.wire(), "/_sandbox/stripe/accounts")


@router.post("/events/{event_id}/resend")
async def resend_event(world: Here, event_id: str) -> Delivery:
    """Send an event again, as one does in the dashboard."""
    return events.send(world, find(world, Event, event_id, None))


# --- shared with the pages ------------------------------------------------------------------------------------------


def method_for(world: World, account: str, act: Act) -> PaymentMethod:
    """What the person pays with.

    Raises:
        StripeError: the card is no test card.
    """
    billing = BillingDetails(email=act.email, name=act.name)
    if act.card is None and act.outcome in {"async_success", "async_failure"}:
        return methods.from_data(world, account, MethodData(type="us_bank_account", billing_details=billing))
    number = "".join((act.card or _CARD_OF_OUTCOME[act.outcome]).split())
    return methods.of_card(world, account, NUMBER_OF_ALIAS.get(number, number), billing)


def finish_act(world: World, intent: PaymentIntent, act: Act) -> None:
    """Do what remains for the outcome: 3-D Secure, or the end of a slow payment after a while."""
    with world.store.transaction():
        if intent.status == "requires_action":
            charging.authenticated(world, intent, succeeds=act.outcome not in {"unauthenticated", "decline"})
        elif intent.status == "processing":
            action = "stripe.intent.settle" if act.outcome != "async_failure" else "stripe.intent.bounce"
            world.agenda.plan(action, intent.id, charging.SETTLING_SECONDS)


def settle(world: World, intent_id: str, *, succeeds: bool) -> None:
    """A slow payment comes to its end."""
    intent = world.store.get(PaymentIntent, intent_id)
    if intent and intent.status == "processing":
        charging.settled(world, intent, succeeds=succeeds)


def _twin(entities: Sequence[Entity]) -> dict[str, list[Wire]]:
    return {"items": [entity.wire() for entity in entities]}
