"""Razorpay Checkout: the script a shop loads, and the pages on which a person pays, declines or leaves."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from pydantic import BaseModel, Field, JsonValue

from tillhouse.sandbox.razorpay.errors import unauthorized
from tillhouse.sandbox.razorpay.links import callback_address, link_of
from tillhouse.sandbox.razorpay.orders import find_order
from tillhouse.sandbox.razorpay.paying import (
    BANKS,
    TEST_CARDS,
    Attempt,
    Outcome,
    answer_of,
    pay,
)
from tillhouse.sandbox.razorpay.payments import find_payment
from tillhouse.sandbox.razorpay.schemas import Order, Payment
from tillhouse.sandbox.rendering import page
from tillhouse.sandbox.world import Here, World

router = APIRouter()

_SCRIPT = Path(__file__).parent.parent / "static" / "checkout.js"
_SHORTEST_GOOD_OTP = 4


class Visit(BaseModel):
    """Who sent the person here and how they get back: the query of every page of checkout."""

    key_id: str = ""
    origin: str = ""
    callback_url: str = ""
    cancel_url: str = ""
    name: str = ""
    description: str = ""
    email: str = ""
    contact: str = ""
    recurring: str = Field("", description='"1": checkout was opened to authorise later charges as well.')
    amount: int | None = Field(None, ge=1, description="The part of a payment link to pay now, in paise.")

    @property
    def query(self) -> str:
        """The visit as a query string, to carry on to the next page."""
        return urlencode(self.model_dump(exclude_defaults=True))

    @property
    def form_action(self) -> str:
        """Where forms of the page may go."""
        origins = {_origin(url) for url in (self.callback_url, self.cancel_url) if url}
        return " ".join(["'self'", *sorted(origins)])


def _trusted(world: Here, visit: Annotated[Visit, Query()]) -> Visit:
    """The visit without addresses that the sandbox would not call: nobody else is led to or told anything."""

    def allowed(url: str) -> str:
        return url if world.settings.may_call(url) else ""

    return visit.model_copy(
        update={
            "origin": _origin(visit.origin) if allowed(visit.origin) else "",
            "callback_url": allowed(visit.callback_url),
            "cancel_url": allowed(visit.cancel_url),
        }
    )


Visiting = Annotated[Visit, Depends(_trusted)]


class PayForm(BaseModel):
    """One step of paying. `step` says which form was sent."""

    step: str
    vpa: str = ""
    number: str = ""
    otp: str = ""
    bank: str = ""
    outcome: Outcome = "success"


@router.get("/razorpay/checkout.js")
@router.get("/razorpay/v1/checkout.js")
async def script() -> Response:
    """What a shop loads instead of Razorpay's own `checkout.js`."""
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
    return FileResponse(_SCRIPT, media_type="text/javascript", headers=headers)


@router.post("/razorpay/v1/checkout/embedded")
async def embedded(request: Request) -> Response:
    """The hosted form of checkout, for pages without JavaScript: a form post that leads to the pay page."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    known = {name: form[name] for name in Visit.model_fields if form.get(name)}
    known.update({name: form[f"prefill[{name}]"] for name in ("email", "contact") if form.get(f"prefill[{name}]")})
    return RedirectResponse(f"/_sandbox/razorpay/pay/{form.get('order_id', '')}?{urlencode(known)}", 303)


@router.get("/_sandbox/razorpay/pay/{order_id}")
async def pay_page(world: Here, order_id: str, visit: Visiting) -> Response:
    """Where a person chooses how to pay."""
    order = _order_for(world, order_id, visit)
    paid = world.store.find(Payment, {"order_id": order.id, "status": "captured"}, limit=1)
    if paid and order.status == "paid":
        return _to_result(paid[0].id, visit)
    if not _may_be_paid(world, order, visit):
        return RedirectResponse(_link_page(world, order), 303)
    return _page("pay.html", world, visit, order)


@router.post("/_sandbox/razorpay/pay/{order_id}")
async def pay_step(world: Here, order_id: str, visit: Visiting, form: Annotated[PayForm, Form()]) -> Response:
    """One step of paying; a try ends at its result, so that a reload pays nothing."""
    order = _order_for(world, order_id, visit)
    number = "".join(form.number.split())
    if form.step == "card" and number not in TEST_CARDS:
        return _page("pay.html", world, visit, order, error="Use one of the test cards listed below.", status=422)
    if form.step == "card" and (order.mandate is None or order.method == "card"):
        return _page("otp.html", world, visit, order, number=number)
    if form.step == "netbanking":
        return _page("bank.html", world, visit, order, bank=form.bank)
    if order.mandate and order.method != ("card" if form.step == "otp" else form.step):
        return _page("pay.html", world, visit, order, error=f"This is authorised by {order.method}.", status=422)
    if form.step == "upi" and "@" not in form.vpa.strip("@"):
        return _page("pay.html", world, visit, order, error="A UPI ID looks like name@bank.", status=422)
    if order.status == "paid" or not _may_be_paid(world, order, visit):
        return RedirectResponse(f"/_sandbox/razorpay/pay/{order.id}?{visit.query}", 303)
    payment_id = _pay(world, order, form, number, visit)
    return _to_result(payment_id, visit)


@router.get("/_sandbox/razorpay/result/{payment_id}")
async def result_page(world: Here, payment_id: str, visit: Visiting) -> Response:
    """What came of a payment; tells the shop that opened it."""
    payment = find_payment(world, payment_id)
    order = _order_for(world, payment.order_id or "", visit)
    event = "failed" if payment.status == "failed" else "success"
    link = link_of(world, order)
    back = callback_address(world, link, payment.id) if link and event == "success" else ""
    result = answer_of(world, payment)
    return _page("result.html", world, visit, order, payment=payment, event=event, result=result, back=back)


@router.get("/_sandbox/razorpay/left/{order_id}")
async def left_page(world: Here, order_id: str, visit: Visiting) -> Response:
    """The person left without paying."""
    order = _order_for(world, order_id, visit)
    return _page("result.html", world, visit, order, payment=None, event="dismissed", result={}, back="")


def form_fields(result: dict[str, JsonValue]) -> list[tuple[str, str]]:
    """What is posted to a `callback_url`: nested values as `error[code]`, `error[metadata][order_id]`."""
    fields: list[tuple[str, str]] = []

    def add(name: str, value: JsonValue) -> None:
        if isinstance(value, dict):
            for inner, content in value.items():
                add(f"{name}[{inner}]" if name else inner, content)
        else:
            fields.append((name, "" if value is None else str(value)))

    add("", result)
    return fields


def _pay(world: World, order: Order, form: PayForm, number: str, visit: Visit) -> str:
    """Try to pay with what the form says; the payment's id."""
    outcome, refusal = form.outcome, None
    who = Attempt(
        email=visit.email or None,
        contact=visit.contact or None,
        amount=_part_of_link(order, visit),
        recurring=visit.recurring in ("1", "true"),
    )
    if form.step == "upi":
        attempt = replace(who, method="upi", vpa=form.vpa.strip())
        if form.vpa.strip().lower() == "failure@razorpay":
            outcome = "failure"
    elif form.step == "otp":
        attempt = replace(who, method="card", card_number=number)
        card = TEST_CARDS.get(number)
        refusal = card.refusal if card else None
        if refusal or len(form.otp.strip()) < _SHORTEST_GOOD_OTP:
            outcome = "failure"
    else:
        attempt = replace(who, method="netbanking", bank=form.bank)
    pay(world, order, attempt, outcome, refusal=refusal)
    return world.store.find(Payment, {"order_id": order.id}, limit=1)[0].id


def _part_of_link(order: Order, visit: Visit) -> int | None:
    """The part that the visit names: links alone are paid in parts here."""
    return visit.amount if order.link_id else None


def _may_be_paid(world: World, order: Order, visit: Visit) -> bool:
    """Whether the order's link, if it has one, is open and takes the part that the visit names."""
    link = link_of(world, order)
    if link is None:
        return True
    return link.is_open and link.least <= (visit.amount or link.due) <= link.due


def _link_page(world: World, order: Order) -> str:
    link = link_of(world, order)
    return f"/razorpay/l/{link.link_code}" if link else "/_sandbox/razorpay/orders"


def _order_for(world: World, order_id: str, visit: Visit) -> Order:
    if visit.key_id and visit.key_id != world.settings.razorpay_key_id:
        raise unauthorized()
    return find_order(world, order_id)


def _to_result(payment_id: str, visit: Visit) -> Response:
    return RedirectResponse(f"/_sandbox/razorpay/result/{payment_id}?{visit.query}", 303)


def _page(template: str, world: World, visit: Visit, order: Order, *, status: int = 200, **extra: object) -> Response:
    result = extra.get("result")
    context = {
        "visit": visit,
        "order": order,
        "due": _part_of_link(order, visit) or (order.amount_due or order.amount),
        "banks": BANKS,
        "cards": TEST_CARDS,
        "error": None,
        "fields": form_fields(result) if isinstance(result, dict) else [],
        **extra,
    }
    ancestors = f"'self' {_origin(world.settings.web)} {visit.origin}".strip()
    return page(f"checkout/{template}", context, status=status, form_action=visit.form_action, ancestors=ancestors)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
