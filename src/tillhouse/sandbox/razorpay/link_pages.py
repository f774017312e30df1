"""A payment link's own page at its `short_url`: what is asked for, how much of it, and on to checkout."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, HTTPException, Response
from fastapi.responses import RedirectResponse

from tillhouse.sandbox.razorpay.links import PaymentLink
from tillhouse.sandbox.rendering import page
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/l")


@router.get("/{code}")
async def link_page(world: Here, code: str) -> Response:
    """The page that the customer is sent."""
    return _page(_link_with(world, code))


@router.post("/{code}")
async def go_to_checkout(world: Here, code: str, rupees: Annotated[str, Form()] = "") -> Response:
    """On to checkout with the part that the person wants to pay now (in rupees), or with all that is due."""
    link = _link_with(world, code)
    if not link.is_open:
        return RedirectResponse(f"/razorpay/l/{code}", 303)
    amount = link.due if not rupees.strip() else _paise(rupees)
    if amount is None or not link.least <= amount <= link.due:
        return _page(link, refused=True, status=422)
    visit = {"name": "Tillhouse", "description": link.description, "amount": amount}
    if link.customer.email:
        visit["email"] = link.customer.email
    if link.customer.contact:
        visit["contact"] = link.customer.contact
    return RedirectResponse(f"/_sandbox/razorpay/pay/{link.order_id}?{urlencode(visit)}", 303)


def _link_with(world: World, code: str) -> PaymentLink:
    found = world.store.find(PaymentLink, {"link_code": code}, limit=1)
    if not found:
        raise HTTPException(404, "There is no such payment link.")
    return found[0]


def _page(link: PaymentLink, *, refused: bool = False, status: int = 200) -> Response:
    context = {"link": link, "refused": refused, "due": _plain(link.due), "least": _plain(link.least)}
    return page("link.html", context, status=status)


def _paise(rupees: str) -> int | None:
    """Paise of what a person typed (`1,200` or `99.5`); None when it is no amount."""
    whole, _, rest = rupees.strip().replace(",", "").partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) < 12) or len(rest) > 2:
        return None
    if rest and not (rest.isascii() and rest.isdigit()):
        return None
    return int(whole) * 100 + int(rest.ljust(2, "0"))


def _plain(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"
