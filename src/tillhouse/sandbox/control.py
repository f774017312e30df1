"""The sandbox's own doors, under `/_sandbox/`: see and steer the outside world. Every page has an API twin."""

import json
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from tillhouse.sandbox.faults import CALL_FAULTS, WEBHOOK_FAULTS, FaultRequest
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.disputes import Dispute
from tillhouse.sandbox.razorpay.links import PaymentLink
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
from tillhouse.sandbox.razorpay.qr_codes import QrCode
from tillhouse.sandbox.razorpay.refunds import settle_refund
from tillhouse.sandbox.razorpay.schemas import Method, Order, Payment, Refund, Wire
from tillhouse.sandbox.razorpay.settling import Settlement
from tillhouse.sandbox.razorpay.transactions import Transaction, balance_of
from tillhouse.sandbox.razorpay.validations import FundAccountValidation
from tillhouse.sandbox.razorpay.x_schemas import FundAccount, Payout, PayoutStatus
from tillhouse.sandbox.rendering import answer, done
from tillhouse.sandbox.stripe import events as stripe_events
from tillhouse.sandbox.stripe.connect_schemas import Payout as StripePayout
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent
from tillhouse.sandbox.stripe.session_schemas import Session
from tillhouse.sandbox.webhooks import Delivery
from tillhouse.sandbox.world import Here, World

router = APIRouter()

_SHOWN = 100
_INBOX_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


class PayBody(BaseModel):
    """What a person does at the checkout. `amount` (paise) and `currency` differ from the order's on purpose only."""

    model_config = ConfigDict(extra="forbid")

    method: Method = "upi"
    outcome: Outcome = "success"
    vpa: str | None = None
    amount: int | None = Field(None, ge=1)
    currency: str | None = None
    late_after: float = Field(
        LATE_AFTER_SECONDS, ge=0, le=30 * 86_400, description="Provider seconds until a late success."
    )


class EventBody(BaseModel):
    """An event of any content, rightly signed, to see it refused or parked."""

    model_config = ConfigDict(extra="forbid")

    provider: Literal["razorpay", "razorpayx", "stripe"] = "razorpay"
    event: str
    payload: dict[str, JsonValue] = Field(description="Of Stripe's events: `data.object`.")
    event_id: str | None = Field(None, pattern=r"^[A-Za-z0-9_.:-]{1,64}$")


@router.get("/health/live")
async def live() -> dict[str, str]:
    """Liveness, for the supervisor."""
    return {"status": "ok"}


@router.get("/", include_in_schema=False)
async def root() -> Response:
    """Lead whoever comes to the bare address to the home page."""
    return RedirectResponse("/_sandbox/", 307)


@router.get("/_sandbox/")
async def home(request: Request, world: Here) -> Response:
    """Who is played here, and how much of everything there is."""
    counts = {
        "orders": world.store.count(Order),
        "payments": world.store.count(Payment),
        "refunds": world.store.count(Refund),
        "payouts": world.store.count(Payout),
        "qr_codes": world.store.count(QrCode),
        "payment_links": world.store.count(PaymentLink),
        "disputes": world.store.count(Dispute),
        "settlements": world.store.count(Settlement),
        "validations": world.store.count(FundAccountValidation),
        "bank_transactions": world.store.count(Transaction),
        "stripe_sessions": world.store.count(Session),
        "stripe_payments": world.store.count(PaymentIntent),
        "stripe_payouts": world.store.count(StripePayout),
        "webhooks_pending": world.store.count(Delivery, {"status": "pending"}),
        "webhooks_delivered": world.store.count(Delivery, {"status": "delivered"}),
        "webhooks_failed": world.store.count(Delivery, {"status": "failed"}),
        "faults": len(world.faults.all()),
        "messages": len(world.inbox.messages()),
    }
    settings = world.settings
    providers = [
        {"name": "Razorpay", "base": "/razorpay/v1", "key": settings.razorpay_key_id},
        {"name": "RazorpayX", "base": "/razorpay/v1", "key": settings.razorpayx_account_number},
        {"name": "Stripe", "base": "/stripe/v1", "key": settings.stripe_secret_key},
        {"name": "Twilio", "base": "/twilio/2010-04-01", "key": settings.twilio_account_sid},
        {"name": "SMTP", "base": f"port {settings.smtp_port}" if settings.smtp_port else "off", "key": "any"},
    ]
    twin = {"counts": counts, "providers": providers, "clock_scale": settings.clock_scale}
    return answer(request, "home.html", twin, twin)


# --- inbox ----------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/inbox")
async def inbox(request: Request, world: Here, to: str | None = None) -> Response:
    """Messages, newest first, to one address (`?to=`) or to anyone."""
    messages = world.inbox.messages(to)
    return answer(request, "inbox.html", {"messages": messages, "to": to or ""}, messages)


@router.delete("/_sandbox/inbox", status_code=204)
async def clear_inbox(world: Here) -> None:
    """Empty the inbox."""
    world.inbox.clear()


@router.get("/_sandbox/inbox/{message_id}")
async def message(request: Request, world: Here, message_id: str) -> Response:
    """One message."""
    found = world.inbox.get(message_id)
    if found is None:
        raise HTTPException(404, "There is no such message.")
    return answer(request, "message.html", {"message": found}, found)


@router.get("/_sandbox/inbox/{message_id}/html")
async def message_html(world: Here, message_id: str) -> Response:
    """The HTML of a mail, in a box that runs no script and loads nothing."""
    found = world.inbox.get(message_id)
    if found is None or found.html is None:
        raise HTTPException(404, "There is no such HTML mail.")
    return HTMLResponse(found.html, headers={"Content-Security-Policy": _INBOX_CSP})


# --- faults ---------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/faults")
async def list_faults(request: Request, world: Here) -> Response:
    """The faults in force."""
    faults = world.faults.all()
    context = {"faults": faults, "webhook_faults": WEBHOOK_FAULTS, "call_faults": CALL_FAULTS}
    return answer(request, "faults.html", context, faults)


@router.post("/_sandbox/faults")
async def add_fault(request: Request, world: Here) -> Response:
    """Put a fault in force (JSON or form)."""
    fault = world.faults.add(await _fault_of(request))
    response = done(request, fault, "/_sandbox/faults")
    if response.status_code == 200:
        response.status_code = 201
    return response


@router.delete("/_sandbox/faults", status_code=204)
async def clear_faults(world: Here) -> None:
    """Lift every fault."""
    world.faults.clear()


@router.delete("/_sandbox/faults/{fault_id}", status_code=204)
async def remove_fault(world: Here, fault_id: str) -> None:
    """Lift one fault."""
    if not world.faults.remove(fault_id):
        raise HTTPException(404, "There is no such fault.")


@router.post("/_sandbox/faults/{fault_id}/remove", include_in_schema=False)
async def remove_fault_by_form(world: Here, fault_id: str) -> Response:
    """Lift one fault from the page."""
    world.faults.remove(fault_id)
    return RedirectResponse("/_sandbox/faults", 303)


# --- webhooks -------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/webhooks")
async def list_webhooks(request: Request, world: Here, status: str | None = None) -> Response:
    """The last webhooks, of one state (`?status=`) or of any, and the providers whose webhook is disabled."""
    deliveries = world.store.find(Delivery, {"status": status}, limit=_SHOWN)
    disabled = world.webhooks.disabled()
    context = {"deliveries": deliveries, "disabled": disabled, "status": status or ""}
    return answer(request, "webhooks.html", context, {"items": deliveries, "disabled": disabled})


@router.post("/_sandbox/webhooks", status_code=201)
async def send_event(world: Here, body: EventBody) -> Delivery:
    """Queue an event of any content, rightly signed."""
    if body.provider == "stripe":
        return stripe_events.send_raw(world, body.event, body.payload, body.event_id)
    return events.send_raw(world, body.provider, body.event, body.payload, body.event_id)


@router.post("/_sandbox/deliver")
async def deliver(world: Here) -> dict[str, int]:
    """Do and send everything due now, and wait for it."""
    return {"tries": await world.deliver_due()}


@router.get("/_sandbox/webhooks/{delivery_id}")
async def get_webhook(request: Request, world: Here, delivery_id: str) -> Response:
    """One webhook with its tries, headers and body."""
    delivery = world.store.get(Delivery, delivery_id)
    if delivery is None:
        raise HTTPException(404, "There is no such webhook.")
    return answer(request, "webhook.html", {"delivery": delivery, "body": _pretty(delivery.body)}, delivery)


@router.post("/_sandbox/webhooks/{delivery_id}/redeliver")
async def redeliver(request: Request, world: Here, delivery_id: str, as_new_event: bool = False) -> Response:
    """Send a webhook again: same event id, or another with `?as_new_event=true`."""
    delivery = world.webhooks.redeliver(delivery_id, as_new_event=as_new_event)
    if delivery is None:
        raise HTTPException(404, "There is no such webhook.")
    return done(request, delivery, f"/_sandbox/webhooks/{delivery.id}")


@router.post("/_sandbox/webhooks/{provider}/enable")
async def enable_webhook(request: Request, world: Here, provider: str) -> Response:
    """Switch a disabled webhook on again."""
    world.webhooks.enable(provider)
    return done(request, {"disabled": world.webhooks.disabled()}, "/_sandbox/webhooks")


# --- Razorpay -------------------------------------------------------------------------------------------------------


@router.get("/_sandbox/razorpay/orders")
async def list_orders(request: Request, world: Here) -> Response:
    """The last orders."""
    orders = world.store.find(Order, limit=_SHOWN)
    return answer(request, "orders.html", {"orders": orders}, {"items": [order.wire() for order in orders]})


@router.post("/_sandbox/razorpay/orders/{order_id}/pay")
async def pay_order(world: Here, order_id: str, body: PayBody | None = None) -> Wire:
    """Let a person pay: answers what checkout hands back; the webhooks follow by themselves."""
    body = body or PayBody()
    attempt = Attempt(method=body.method, vpa=body.vpa, amount=body.amount, currency=body.currency)
    return pay(world, find_order(world, order_id), attempt, body.outcome, late_after=body.late_after)


@router.get("/_sandbox/razorpay/payments")
async def list_payments(request: Request, world: Here) -> Response:
    """The last payments and refunds."""
    payments, refunds = world.store.find(Payment, limit=_SHOWN), world.store.find(Refund, limit=_SHOWN)
    twin = {"items": [p.wire() for p in payments], "refunds": [r.wire() for r in refunds]}
    return answer(request, "payments.html", {"payments": payments, "refunds": refunds}, twin)


@router.post("/_sandbox/razorpay/refunds/{refund_id}/{step}")
async def step_refund(request: Request, world: Here, refund_id: str, step: Literal["process", "fail"]) -> Response:
    """Move a pending refund by hand."""
    refund = settle_refund(world, refund_id, succeeds=step == "process")
    if refund is None:
        raise HTTPException(409, "Only a pending refund can be processed or failed.")
    return done(request, refund.wire(), "/_sandbox/razorpay/payments")


@router.get("/_sandbox/razorpay/payouts")
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


@router.post("/_sandbox/razorpay/payouts/{payout_id}/{step}")
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


@router.get("/_sandbox/razorpay/balance")
async def get_balance(world: Here) -> dict[str, int]:
    """What is on the RazorpayX account, in paise."""
    return {"amount": balance_of(world).amount}


@router.put("/_sandbox/razorpay/balance")
async def put_balance(world: Here, amount: Annotated[int, Field(ge=0)]) -> dict[str, int]:
    """Set what is on the RazorpayX account (`?amount=` in paise); queued payouts that it covers start."""
    return {"amount": set_balance(world, amount).amount}


async def _fault_of(request: Request) -> FaultRequest:
    """The wish, from JSON or from the page's form."""
    try:
        if request.headers.get("content-type", "").startswith("application/json"):
            return FaultRequest.model_validate_json(await request.body())
        form = await request.form()
        return FaultRequest.model_validate({name: value for name, value in form.items() if value != ""})
    except ValidationError as error:
        raise HTTPException(422, json.loads(error.json(include_url=False, include_input=False))) from None


def _destination(world: World, payout: Payout) -> str:
    account = world.store.get(FundAccount, payout.fund_account_id)
    if account is None:
        return ""
    if account.vpa:
        return account.vpa.address
    return f"{account.bank_account.name} …{account.bank_account.account_number[-4:]}" if account.bank_account else ""


def _pretty(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except ValueError:
        return body
