"""Adding money: an amount, the gateway's checkout, and a page that says what became of the money."""

from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, open_to_all, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import redirect
from tillhouse.parts.payments import api as payments
from tillhouse.parts.payments.api import OrderState, OrderView
from tillhouse.products.drivopay.domain import UNIT, rupees
from tillhouse.products.drivopay.pages.outcomes import Outcome
from tillhouse.products.drivopay.pages.typed import plain_amount, typed_amount
from tillhouse.products.drivopay.settings import DrivopaySettings

router = APIRouter(prefix="/add-money")
Driver = Annotated[Principal, Depends(require("drivopay.pay"))]
Anyone = Annotated[Principal, Depends(open_to_all("the gateway's signature says that it is the gateway's answer"))]

_OPEN = frozenset({OrderState.CREATED, OrderState.PENDING, OrderState.AUTHORIZED})
_WORDS = {
    OrderState.CREATED: Outcome("neutral", "clock", N_("Getting ready"), N_("No money has moved.")),
    OrderState.PENDING: Outcome("neutral", "wallet", N_("Ready to pay"), N_("No money has moved yet.")),
    OrderState.AUTHORIZED: Outcome(
        "info",
        "clock",
        N_("Your bank is slow"),
        N_(
            "Your bank has said yes, but the money has not reached us yet. It is shown as pending and becomes "
            "available by itself, usually within minutes. You need not wait here, and must not pay again."
        ),
        waiting=True,
    ),
    OrderState.CAPTURED: Outcome(
        "success", "check", N_("Money added"), N_("It is in your wallet now, yours to use or to withdraw.")
    ),
    OrderState.PARTIALLY_REFUNDED: Outcome(
        "success", "check", N_("Money added"), N_("A part of it was given back to where it came from.")
    ),
    OrderState.REFUNDED: Outcome(
        "neutral", "undo-2", N_("Given back"), N_("It goes back to where it came from, within a few days.")
    ),
    OrderState.FAILED: Outcome(
        "danger",
        "x",
        N_("The payment did not go through"),
        N_(
            "Nothing was added. If your bank took money, it either reaches us late and is added by itself, or comes "
            "back to you within a few days. You can try again."
        ),
    ),
    OrderState.EXPIRED: Outcome(
        "neutral", "timer", N_("Not paid in time"), N_("No money has moved. You can start again.")
    ),
    OrderState.DISPUTED: Outcome(
        "warning",
        "triangle-alert",
        N_("Your bank is looking into it"),
        N_("You have told your bank that something is wrong with this payment. We wait for its decision."),
    ),
}
_RETURNED = Outcome(
    "info",
    "clock",
    N_("Checking with your bank"),
    N_(
        "The payment company does not answer just now. If you have paid, the money becomes available by itself: do "
        "not pay again. If you have not, nothing has moved."
    ),
    waiting=True,
)
_LEFT = Outcome(
    "neutral",
    "wallet",
    N_("Not paid yet"),
    N_("You left without paying. No money has moved. You can still pay, or choose another amount."),
)
_DECLINED = Outcome(
    "danger",
    "x",
    N_("The payment was declined"),
    N_(
        "Nothing was added. If your bank took money, it either reaches us late and is added by itself, or comes "
        "back to you within a few days. You can try again."
    ),
)


class AmountForm(BaseModel):
    """How much to add. `request_key` makes sending the form twice one order."""

    amount: Annotated[str, Field(max_length=24)]
    request_key: UUID


@router.get("")
async def choose_amount(
    request: Request,
    pages: Pages,
    house: TheHouse,
    _me: Driver,
    amount: Annotated[str | None, Query(max_length=24)] = None,
) -> Response:
    """How much?"""
    form = Form.blank(AmountForm, request_key=uuid4(), amount=amount)
    return pages.render_form(request, "drivopay/add_money.html", form, _amount_context(house))


@router.post("", dependencies=[FromOurPage, Depends(rate_limit("20/minute", name="drivopay.add_money"))])
async def start(request: Request, pages: Pages, house: TheHouse, me: Driver) -> Response:
    """Make the order and go to the page on which it is paid."""
    form = await Form.read(request, AmountForm)
    if form.is_valid:
        try:
            amount = Money.parse(plain_amount(form.data.amount), UNIT)
            order = await payments.start_deposit(
                house, me.person_id, amount, request_key=f"page:{form.data.request_key}"
            )
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            return redirect(request, f"/drivopay/add-money/{order.id}?open=1")
    return pages.render_form(request, "drivopay/add_money.html", form, _amount_context(house))


@router.get("/{order_id}")
async def payment(
    request: Request,
    session: Read,
    pages: Pages,
    house: TheHouse,
    me: Driver,
    *,
    order_id: UUID,
    left: bool = False,
    declined: bool = False,
    returned: bool = False,
    open: bool = False,  # noqa: A002  the word in the address
) -> Response:
    """Pay an order, or see what became of it."""
    order = await payments.order(session, order_id, person_id=me.person_id)
    note = _LEFT if left else _DECLINED if declined else None
    context = await _context(session, house, order, note=note, opens=open, returned=returned)
    return pages.render_page(request, "drivopay/payment.html", context)


@router.get("/{order_id}/state")
async def payment_state(
    request: Request,
    session: Read,
    pages: Pages,
    house: TheHouse,
    me: Driver,
    *,
    order_id: UUID,
    seen: str = "",
) -> Response:
    """The outcome anew, or 204 while it is what the page shows already."""
    order = await payments.order(session, order_id, person_id=me.person_id)
    if order.state == seen:
        return Response(status_code=204)
    return pages.render_fragment(request, "drivopay/_payment.html", await _context(session, house, order))


@router.post("/{order_id}/paid", dependencies=[Depends(rate_limit("30/minute", by="ip", name="drivopay.paid"))])
async def paid(request: Request, house: TheHouse, _anyone: Anyone, order_id: UUID) -> Response:
    """What the gateway's checkout hands back: booked at once when its signature is right, and asked about when not.

    It may come from the gateway's own page, so it needs no cookie and no token of ours: what it says is signed, is
    about an order of ours, and is asked of the gateway before anything is booked. It shows nothing by itself.
    """
    page = f"/drivopay/add-money/{order_id}"
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    proof = payments.proof_from_checkout(sent)
    if proof is None:
        return redirect(request, f"{page}?declined=1")
    try:
        await payments.verify_checkout(house, proof)
    except TransientError:
        # The gateway does not answer now. Its event, or our next question, books the money: the page says so.
        return redirect(request, f"{page}?returned=1")
    return redirect(request, page)


def _amount_context(house: House) -> dict[str, object]:
    limits = payments.limits(house, UNIT)
    quick = [typed_amount(rupees(amount * 100)) for amount in house.settings_of(DrivopaySettings).quick_amounts]
    return {"quick": quick, "least": limits.deposit_least, "most": limits.deposit_most}


async def _context(
    session: ReadSession,
    house: House,
    order: OrderView,
    *,
    note: Outcome | None = None,
    opens: bool = False,
    returned: bool = False,
) -> dict[str, object]:
    waits = returned and order.state == OrderState.PENDING
    payable = order.state in (OrderState.PENDING, OrderState.FAILED) and order.provider_order_id is not None
    receipt = await payments.receipt(session, order.id)
    return {
        "order": order,
        "words": _RETURNED if waits else note if note and payable else _WORDS[order.state],
        "open": order.state in _OPEN or (order.state == OrderState.FAILED and clock.now() < order.expires_at),
        "returned": waits,
        "receipt": _receipt(receipt) if receipt else None,
        **(_checkout(house, order, opens=opens) if payable and not waits else {"checkout": None}),
    }


def _checkout(house: House, order: OrderView, *, opens: bool) -> dict[str, object]:
    checkout = payments.checkout_of(house, order, title="DrivoPay")
    place = house.settings.address(f"/drivopay/add-money/{order.id}")
    # The hosted form calls the key by another name than the script does.
    options = {**checkout.options, "description": gettext("Add money")}
    fields = [("key_id" if name == "key" else name, value) for name, value in options.items()]
    return {
        "checkout": checkout,
        "checkout_options": options,
        "form_fields": [*fields, ("callback_url", f"{place}/paid"), ("cancel_url", f"{place}?left=1")],
        "opens": opens and order.state == OrderState.PENDING,
    }


def _receipt(receipt: payments.Receipt) -> list[tuple[str, object]]:
    """Message ids beside what the template writes in the reader's language and zone."""
    return [
        (N_("Paid by"), receipt.paid_by),
        (N_("When"), receipt.payment.captured_at or receipt.order.created_at),
        (N_("Fee"), Money(0, UNIT)),
        (N_("Payment"), receipt.payment.provider_payment_id),
    ]
