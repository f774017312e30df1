"""The page behind an order's link: what is to be paid and how, what became of it, and the receipt.

Whoever has the link may see and pay the order, signed in or not. What a browser brings back from a gateway proves
nothing: it makes us ask.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, caller, open_to_all, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages
from tillhouse.kernel.web.downloads import pdf_download
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import redirect
from tillhouse.parts.documents import api as documents
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState

_WHY = "the link is a secret of its own, and shows and pays nothing but its one order"
Anyone = Annotated[Principal, Depends(open_to_all(_WHY))]
Payer = Annotated[Principal, Depends(require("payments.pay"))]
_OPEN = frozenset({OrderState.CREATED, OrderState.PENDING, OrderState.AUTHORIZED})

router = APIRouter(prefix="/pay")


@dataclass(frozen=True, slots=True)
class _Words:
    """What the page says of a state: `title` and `text` are message ids."""

    tone: str
    icon: str
    title: str
    text: str


_WORDS = {
    OrderState.CREATED: _Words("neutral", "clock", N_("Getting ready"), N_("No money has moved.")),
    OrderState.PENDING: _Words("neutral", "wallet", N_("To be paid"), N_("No money has moved yet.")),
    OrderState.AUTHORIZED: _Words(
        "info",
        "clock",
        N_("Your bank said yes"),
        N_("The money is on its way and arrives within minutes. Do not pay again; you need not wait here."),
    ),
    OrderState.CAPTURED: _Words("success", "check", N_("Paid"), N_("Thank you. This is your receipt.")),
    OrderState.PARTIALLY_REFUNDED: _Words(
        "success", "check", N_("Paid"), N_("A part of it was given back to where it came from.")
    ),
    OrderState.REFUNDED: _Words(
        "neutral", "undo-2", N_("Given back"), N_("It goes back to where it came from, within a few working days.")
    ),
    OrderState.FAILED: _Words(
        "danger",
        "x",
        N_("The payment did not go through"),
        N_("You can try again. If your bank took money, it reaches us late or comes back to you within a few days."),
    ),
    OrderState.EXPIRED: _Words(
        "neutral",
        "timer",
        N_("Not paid in time"),
        N_("This can no longer be paid. If you have sent money all the same, it is not lost: it is booked for you."),
    ),
    OrderState.DISPUTED: _Words(
        "warning", "triangle-alert", N_("Your bank is looking into it"), N_("We wait for your bank's decision.")
    ),
}
_RETURNED = _Words(
    "info",
    "clock",
    N_("Checking with your bank"),
    N_("The payment company does not answer just now. If you have paid, do not pay again: this page says so soon."),
)


@router.get("/{token}")
async def pay(
    request: Request,
    session: Read,
    pages: Pages,
    house: TheHouse,
    _anyone: Anyone,
    *,
    token: str,
    returned: bool = False,
) -> Response:
    """What is to be paid, and how; or what became of it."""
    order = await api.order_of_link(session, token)
    context = await _context(request, session, house, order, token, returned=returned)
    return _private(pages.render_page(request, "payments/pay.html", context))


@router.get("/{token}/state")
async def state(
    request: Request, session: Read, pages: Pages, house: TheHouse, _anyone: Anyone, *, token: str, seen: str = ""
) -> Response:
    """The page's middle anew, or 204 while it is what is shown already."""
    order = await api.order_of_link(session, token)
    missing = await api.missing(session, order.id)
    if f"{order.state}-{missing.minor}" == seen:
        return Response(status_code=204)
    context = await _context(request, session, house, order, token)
    return _private(pages.render_fragment(request, "payments/_pay.html", context))


@router.get("/{token}/receipt.pdf", dependencies=[Depends(rate_limit("30/minute", by="ip", name="payments.receipt"))])
async def receipt(house: TheHouse, _anyone: Anyone, token: str) -> Response:
    """The receipt of what was paid here, as PDF, in the reader's language."""
    return _private(pdf_download("receipt", await api.receipt_pdf_of_link(house, token)))


@router.get("/{token}/return", dependencies=[Depends(rate_limit("30/minute", by="ip", name="payments.return"))])
async def come_back(request: Request, house: TheHouse, _anyone: Anyone, token: str) -> Response:
    """The browser is back from the gateway: the gateway is asked, whatever the address says."""
    return await _ask(request, house, token, {})


@router.post("/{token}/return", dependencies=[Depends(rate_limit("30/minute", by="ip", name="payments.return"))])
async def come_back_with_proof(request: Request, house: TheHouse, _anyone: Anyone, token: str) -> Response:
    """The gateway's own page, or its script, posts what it signed: it is checked, and the gateway is asked.

    It needs no cookie and no token of ours: it may come from the gateway's page, and what it says is signed.
    """
    sent = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    return await _ask(request, house, token, sent)


@router.post("/{token}/claim", dependencies=[FromOurPage, Depends(rate_limit("10/minute", name="payments.claim"))])
async def claim(request: Request, session: Write, payer: Payer, token: str) -> Response:
    """Make a payment one's own that was made without signing in, with the e-mail address of the order."""
    order = await api.order_of_link(session, token)
    await api.claim_order(session, order.id, payer.person_id)
    return redirect(request, f"/pay/{token}")


async def _ask(request: Request, house: House, token: str, sent: dict[str, str]) -> Response:
    async with house.database.reading() as session:
        order = await api.order_of_link(session, token)
    page, proof = f"/pay/{token}", api.proof_from_checkout(sent)
    try:
        if proof and proof.order_id == order.provider_order_id:
            await api.verify_checkout(house, proof)
        elif order.paid_at is None:
            await api.check_order(house, order.id)
    except TransientError:
        return redirect(request, f"{page}?returned=1")  # its event, or our next question, books what was paid
    except DomainError as refusal:
        if refusal.status >= 500:
            raise
        return redirect(request, f"{page}?returned=1")
    return redirect(request, page)


async def _context(
    request: Request, session: ReadSession, house: House, order: api.OrderView, token: str, *, returned: bool = False
) -> dict[str, object]:
    now, viewer = clock.now(), await caller(request)
    payable = order.state in (OrderState.PENDING, OrderState.FAILED) and order.expires_at > now
    waits = returned and order.state == OrderState.PENDING
    how = await api.checkout_in_order(session, order.id) if payable and not waits else None
    missing = await api.missing(session, order.id)
    found = await api.receipt(session, order.id)
    what = await api.title_of(session, order)
    claimable = order.owner_kind == "order" and order.email is not None and viewer.kind == "person"
    return {
        "order": order,
        "page": f"/pay/{token}",
        "words": _RETURNED if waits else _WORDS[order.state],
        "open": order.state in _OPEN or (order.state == OrderState.FAILED and payable),
        "seen": f"{order.state}-{missing.minor}",
        "returned": waits,
        "title": what,
        "missing": missing if payable and missing != order.amount else None,
        "receipt": found,
        "claimable": claimable and found is not None,
        **_how(house, how, token, what),
    }


def _how(house: House, how: api.Checkout | None, token: str, what: str) -> dict[str, object]:
    """What the template needs for each way to pay for `what`."""
    page = house.settings.address(f"/pay/{token}")
    match how:
        case api.CheckoutScript():
            # The hosted form calls the key by another name than the script does.
            options = {**how.options, "description": gettext(what)}
            fields = [("key_id" if name == "key" else name, value) for name, value in options.items()]
            back = [("callback_url", f"{page}/return"), ("cancel_url", page)]
            return {"how": how, "options": options, "fields": [*fields, *back], "qr": ""}
        case api.CheckoutForm():
            return {"how": how, "options": {}, "fields": list(how.fields), "qr": ""}
        case api.CheckoutQr():
            return {"how": how, "options": {}, "fields": [], "qr": _qr(how)}
        case _:
            return {"how": how, "options": {}, "fields": [], "qr": ""}


def _qr(how: api.CheckoutQr) -> str:
    """The code as an image: white behind it, so that dark pages do not hide it."""
    if how.text is None:
        return how.image_url or ""
    return documents.qr_data_uri(how.text)


def _private(response: Response) -> Response:
    """A page of a secret link: kept by no cache, told to no other site."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Robots-Tag"] = "noindex"
    return response
