"""Razorpay's orders, payments and payouts for people, under `/_sandbox/razorpay/`. Every page has an API twin."""

from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.razorpay.orders import find_order
from tillhouse.sandbox.razorpay.paying import LATE_AFTER_SECONDS, Attempt, Outcome, pay
from tillhouse.sandbox.razorpay.payouts import (
    FATE_OF_ACCOUNT_ENDING,
    FATE_OF_VPA,
    begin,
    find_payout,
    move,
    set_balance,
)
from tillhouse.sandbox.razorpay.refunds import settle_refund
from tillhouse.sandbox.razorpay.schemas import Method, Order, Payment, Refund, Wire
from tillhouse.sandbox.razorpay.transactions import balance_of
from tillhouse.sandbox.razorpay.x_schemas import FundAccount, Payout, PayoutStatus
from tillhouse.sandbox.rendering import answer, done
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/_sandbox/razorpay")

_SHOWN = 100


class PayBody(BaseModel):
    """What a person does at the checkout. `amount` (paise) and `currency` differ from the order's on purpose only.

    `method` None: what the order's authorisation asks for, else UPI. `recurring`: checkout was opened to authorise.
    """

    model_config = ConfigDict(extra="forbid")

    method: Method | None = None
    outcome: Outcome = "success"
    vpa: str | None = None
    card_number: str | None = None
    recurring: bool = True
    amount: int | None = Field(None, ge=1)
    currency: str | None = None
    late_after: float = Field(
        LATE_AFTER_SECONDS, ge=0, le=30 * 86_400, description="Provider seconds until a late success."
    )


@router.get("/orders")
async def list_orders(request: Request, world: Here) -> Response:
    """The last orders."""
    orders = world.store.find(Order, limit=_SHOWN)
    return answer(request, "orders.html", {"orders": orders}, {"items": [order.wire() for order in orders]})


@router.post("/orders/{order_id}/pay")
async def pay_order(world: Here, order_id: str, body: PayBody | None = None) -> Wire:
    """Let a person pay: answers what checkout hands back; the webhooks follow by themselves."""
    body = body or PayBody()
    order = find_order(world, order_id)
    attempt = Attempt(
        method=body.method or order.method or "upi",
        vpa=body.vpa,
        card_number=body.card_number,
        amount=body.amount,
        currency=body.currency,
        recurring=body.recurring,
    )
    return pay(world, order, attempt, body.outcome, late_after=body.late_after)


@router.get("/payments")
async def list_payments(request: Request, world: Here) -> Response:
    """The last payments and refunds."""
    payments, refunds = world.store.find(Payment, limit=_SHOWN), world.store.find(Refund, limit=_SHOWN)
    twin = {"items": [p.wire() for p in payments], "refunds": [r.wire() for r in refunds]}
    return answer(request, "payments.html", {"payments": payments, "refunds": refunds}, twin)


@router.post("/refunds/{refund_id}/{step}")
async def step_refund(request: Request, world: Here, refund_id: str, step: Literal["process", "fail"]) -> Response:
    """Move a pending refund by hand."""
    refund = settle_refund(world, refund_id, succeeds=step == "process")
    if refund is None:
        raise HTTPException(409, "Only a pending refund can be processed or failed.")
    return done(request, refund.wire(), "/_sandbox/razorpay/payments")


@router.get("/payouts")
async def list_payouts(request: Request, world: Here) -> Response:
    """The last payouts, and the account's balance."""
    payouts = world.store.find(Payout, limit=_SHOWN)
    balance = balance_of(world)
    destinations = {p.id: _destination(world, p) for p in payouts}
    context = {
        "payouts": payouts,
        "balance": balance.amount,
        "destinations": destinations,
        "fates": FATE_OF_VPA,
        "account_fates": FATE_OF_ACCOUNT_ENDING,
    }
    return answer(request, "payouts.html", context, {"items": [p.wire() for p in payouts], "balance": balance.amount})


@router.post("/payouts/{payout_id}/{step}")
async def step_payout(
    request: Request, world: Here, payout_id: str, step: Literal["process", "fail", "reverse"]
) -> Response:
    """Move a payout by hand, as one does in the test dashboard. `process` takes a queued one into processing first."""
    payout = find_payout(world, payout_id)
    ends: dict[str, PayoutStatus] = {"process": "processed", "fail": "failed", "reverse": "reversed"}
    starts_only = step == "process" and payout.status == "queued"
    if not (begin(world, payout) if starts_only else move(world, payout, ends[step])):
        raise HTTPException(409, f"A payout that is {payout.status} cannot go there.")
    return done(request, payout.wire(), "/_sandbox/razorpay/payouts")


@router.get("/balance")
async def get_balance(world: Here) -> dict[str, int]:
    """What is on the RazorpayX account, in paise."""
    return {"amount": balance_of(world).amount}


@router.put("/balance")
async def put_balance(world: Here, amount: Annotated[int, Field(ge=0)]) -> dict[str, int]:
    """Set what is on the RazorpayX account (`?amount=` in paise); queued payouts that it covers start."""
    return {"amount": set_balance(world, amount).amount}


def _destination(world: World, payout: Payout) -> str:
    account = world.store.get(FundAccount, payout.fund_account_id)
    if account is None:
        return ""
    if account.vpa:
        return account.vpa.address
    return f"{account.bank_account.name} …{account.bank_account.account_number[-4:]}" if account.bank_account else ""
