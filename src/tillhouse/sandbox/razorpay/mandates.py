"""The sandbox's own doors to authorisations: what their holders and the holders' banks do with them."""

from typing import Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from tillhouse.sandbox.razorpay.errors import no_such_id
from tillhouse.sandbox.razorpay.recurring import debit, pending_debit
from tillhouse.sandbox.razorpay.schemas import Payment
from tillhouse.sandbox.razorpay.tokens import Token, move
from tillhouse.sandbox.rendering import answer, done, wish_of
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/razorpay")

_SHOWN = 100
_HERE = "/_sandbox/razorpay/tokens"

# Reasons of https://razorpay.com/docs/api/payments/recurring-payments/upi/create-subsequent-payments/.
FAILURES = {
    "insufficient_funds": "Transaction failed due to insufficient funds.",
    "debit_declined": "Payment was unsuccessful as it was declined by remitter bank.",
    "bank_not_available": "Payment was unsuccessful as the bank linked to this UPI ID is temporarily unavailable.",
}
_STEPS = {
    "confirm": ("initiated", "paused"),
    "reject": ("initiated",),
    "pause": ("confirmed",),
    "cancel": ("initiated", "confirmed", "paused", "cancellation_initiated"),
}
Step = Literal["confirm", "reject", "pause", "cancel"]


class NextDebit(BaseModel):
    """Why the next debit of a token fails."""

    model_config = ConfigDict(extra="forbid")

    reason: Literal["insufficient_funds", "debit_declined", "bank_not_available"]


@router.get("/tokens")
async def list_tokens(request: Request, world: Here) -> Response:
    """The last authorisations, and the debits that banks have not decided."""
    tokens = world.store.find(Token, limit=_SHOWN)
    waiting = [one for one in world.store.find(Payment, {"status": "created"}, limit=_SHOWN) if one.token_id]
    context = {
        "tokens": tokens,
        "waiting": waiting,
        "failures": FAILURES,
        "steps": {token.id: [step for step, starts in _STEPS.items() if token.status in starts] for token in tokens},
    }
    twin = {"items": [token.wire() for token in tokens], "waiting": [payment.wire() for payment in waiting]}
    return answer(request, "tokens.html", context, twin)


@router.post("/tokens/{token_id}/fail_next")
async def fail_next(request: Request, world: Here, token_id: str) -> Response:
    """Let the next debit fail."""
    wish = await wish_of(request, NextDebit)
    token = _find(world, token_id)
    token.next_failure = (wish.reason, FAILURES[wish.reason])
    world.store.put(token)
    return done(request, token.wire(), _HERE)


@router.post("/tokens/{token_id}/{step}")
async def step_token(request: Request, world: Here, token_id: str, step: Step) -> Response:
    """Let its holder pause, resume (`confirm`) or cancel an authorisation in their app, or the bank refuse it."""
    token = _find(world, token_id)
    if token.status not in _STEPS[step]:
        raise HTTPException(409, f"A token that is {token.status} cannot go there.")
    with world.store.transaction():
        if step == "confirm":
            move(world, token, "confirmed")
        elif step == "reject":
            move(world, token, "rejected", "Rejected by bank")
        else:
            move(world, token, "paused" if step == "pause" else "cancelled")
    return done(request, token.wire(), _HERE)


@router.post("/debits/{payment_id}/run")
async def run_debit(request: Request, world: Here, payment_id: str) -> Response:
    """Let the bank decide about a debit now, instead of a day later."""
    payment = pending_debit(world, payment_id)
    with world.store.transaction():
        debit(world, payment.id)
    decided = world.store.get(Payment, payment_id) or payment
    return done(request, decided.wire(), _HERE)


def _find(world: World, token_id: str) -> Token:
    token = world.store.get(Token, token_id)
    if token is None:
        raise no_such_id()
    return token
