"""Tokens of authorisations to charge later: given at checkout, paused and cancelled by their holder, deleted by us.

`/razorpay/v1/customers/{id}/tokens`.
"""

from typing import ClassVar, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.customers import find_customer
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.schemas import Entity, Order, Payment, Wire, collection
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/customers/{customer_id}/tokens", dependencies=[Depends(require_key)])

TokenStatus = Literal["initiated", "confirmed", "rejected", "paused", "cancellation_initiated", "cancelled"]

CONFIRMED_AFTER_SECONDS = 30.0  # by UPI; a card's bank confirms as it is paid with
CANCELLED_AFTER_SECONDS = 60.0
_CANCELLABLE = ("initiated", "confirmed", "paused")


class TokenCard(BaseModel):
    """The card behind a token."""

    entity: Literal["card"] = "card"
    name: str = ""
    last4: str
    network: str
    type: Literal["credit", "debit"] = "credit"
    issuer: str | None = None
    international: bool = False
    emi: bool = False
    sub_type: str = "consumer"
    expiry_month: int = 12
    expiry_year: int = 2039
    flows: dict[str, bool] = {"otp": True, "recurring": True}


class TokenVpa(BaseModel):
    """The UPI address behind a token."""

    username: str
    handle: str
    name: str | None = None


class RecurringDetails(BaseModel):
    """Whether a token can be charged."""

    status: TokenStatus
    failure_reason: str | None = None


class Token(Entity):
    """An authorisation. `next_failure`: why its next debit fails (reason, sentence), when one was asked to."""

    kind: ClassVar[str] = "token"
    private: ClassVar[frozenset[str]] = frozenset({"customer_id", "next_failure"})

    entity: Literal["token"] = "token"
    token: str
    bank: str | None = None
    wallet: str | None = None
    method: Literal["card", "upi"]
    card: TokenCard | None = None
    vpa: TokenVpa | None = None
    recurring: bool
    recurring_details: RecurringDetails
    auth_type: str | None = None
    mrn: str | None = None
    used_at: int
    start_time: int | None = None
    max_amount: int
    expired_at: int
    dcc_enabled: bool = False
    customer_id: str
    next_failure: tuple[str, str] | None = None

    @property
    def status(self) -> TokenStatus:
        return self.recurring_details.status

    def wire(self) -> Wire:
        document = super().wire()
        for absent in ("card", "vpa", "start_time"):
            if document[absent] is None:
                del document[absent]
        return document


@router.get("")
async def list_tokens(world: Here, customer_id: str) -> Wire:
    """A customer's tokens, newest first."""
    customer = find_customer(world, customer_id)
    return collection([token.wire() for token in world.store.find(Token, {"customer_id": customer.id})])


@router.get("/{token_id}")
async def get_token(world: Here, customer_id: str, token_id: str) -> Wire:
    """One token."""
    return token_of(world, customer_id, token_id).wire()


@router.delete("/{token_id}")
async def delete_token(world: Here, customer_id: str, token_id: str) -> Wire:
    """Forget a token. The holder's authorisation stays at their bank: cancelling is what ends it."""
    token = token_of(world, customer_id, token_id)
    world.store.delete(Token, token.id)
    return {"deleted": True}


@router.put("/{token_id}/cancel")
async def cancel_token(world: Here, customer_id: str, token_id: str) -> Wire:
    """Have the bank end an authorisation: it does so a little later."""
    token = token_of(world, customer_id, token_id)
    if token.status not in _CANCELLABLE:
        raise RazorpayError(f"A token that is {token.status} cannot be cancelled")
    with world.store.transaction():
        _set(world, token, "cancellation_initiated")
        world.agenda.plan("token.cancel", token.id, CANCELLED_AFTER_SECONDS)
    return {"status": "cancellation_initiated"}


def token_of(world: World, customer_id: str, token_id: str) -> Token:
    """A customer's token.

    Raises:
        RazorpayError: there is none.
    """
    token = world.store.get(Token, token_id)
    if token is None or token.customer_id != customer_id:
        raise no_such_id()
    return token


def begin_token(world: World, order: Order, payment: Payment) -> None:
    """Its payer authorises later charges while they pay. Needs a transaction, and the order's mandate."""
    assert order.mandate is not None
    assert order.customer_id is not None
    username, _, handle = (payment.vpa or "").partition("@")
    now = world.clock.now_s()
    by_card = payment.card is not None
    token = Token(
        id=ids.razorpay_id("token"),
        created_at=now,
        token=ids.token(14),
        method="card" if by_card else "upi",
        card=TokenCard(last4=payment.card.last4, network=payment.card.network) if payment.card else None,
        vpa=None if by_card else TokenVpa(username=username, handle=handle),
        recurring=by_card,
        recurring_details=RecurringDetails(status="initiated"),
        used_at=now,
        start_time=None if by_card else now,
        max_amount=order.mandate.max_amount,
        expired_at=order.mandate.expire_at,
        customer_id=order.customer_id,
    )
    payment.token_id = token.id
    world.store.put(token)
    world.agenda.plan("token.confirm", token.id, 0 if by_card else CONFIRMED_AFTER_SECONDS)


def confirm(world: World, token_id: str) -> None:
    """The bank has registered an authorisation, unless somebody decided otherwise meanwhile."""
    token = world.store.get(Token, token_id)
    if token and token.status == "initiated":
        move(world, token, "confirmed")


def cancelled_in_time(world: World, token_id: str) -> None:
    """The bank has ended an authorisation that was to be ended."""
    token = world.store.get(Token, token_id)
    if token and token.status == "cancellation_initiated":
        move(world, token, "cancelled")


def move(
    world: World,
    token: Token,
    status: Literal["confirmed", "rejected", "paused", "cancelled"],
    reason: str | None = None,
) -> None:
    """Its holder, or their bank, changes an authorisation; Razorpay tells us. Needs a transaction."""
    _set(world, token, status, reason)
    events.emit(world, f"token.{status}", token)


def _set(world: World, token: Token, status: TokenStatus, reason: str | None = None) -> None:
    token.recurring = status == "confirmed"
    token.recurring_details = RecurringDetails(status=status, failure_reason=reason)
    world.store.put(token)
