"""`/razorpay/v1/payment_links`."""

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request

from tillhouse.sandbox import ids
from tillhouse.sandbox.money import money
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.links import LinkBody, LinkPatch, PaymentLink, close_link
from tillhouse.sandbox.razorpay.schemas import CaptureRule, ListQuery, Order, Wire
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/payment_links", dependencies=[Depends(require_key)])

Medium = Literal["sms", "email"]

_LONGEST_LIFE = int(timedelta(days=183).total_seconds())


class LinkQuery(ListQuery):
    """Filters of the list of links."""

    payment_id: str | None = None
    reference_id: str | None = None


@router.post("")
@router.post("/", include_in_schema=False)
async def create_link(request: Request, world: Here, body: LinkBody) -> Wire:
    """Make a link with its order, and tell the customer where asked to."""
    _check(world, body)
    now, code = world.clock.now_s(), ids.token(7)
    order = Order(
        id=ids.razorpay_id("order"),
        created_at=now,
        amount=body.amount,
        amount_due=body.amount,
        currency=body.currency,
        receipt=body.reference_id or None,
        notes=body.notes,
        rule=CaptureRule(capture="automatic"),
        partial_payment=body.accept_partial,
        link_id=ids.razorpay_id("plink"),
    )
    link = PaymentLink(
        id=order.link_id or "",
        created_at=now,
        updated_at=now,
        order_id=order.id,
        expire_by=body.expire_by or 0,
        first_min_partial_amount=body.first_min_partial_amount or 0,
        short_url=f"{request.base_url}razorpay/l/{code}",
        link_code=code,
        **body.model_dump(exclude={"expire_by", "first_min_partial_amount", "options"}),
    )
    with world.store.transaction():
        world.store.put(order)
        world.store.put(link)
        if link.expire_by:
            world.agenda.plan_at("payment_link.expire", link.id, link.expire_by)
        for medium in ("sms", "email"):
            if getattr(link.notify, medium):
                tell(world, link, medium)
    return link.wire()


@router.get("")
@router.get("/", include_in_schema=False)
async def list_links(world: Here, query: Annotated[LinkQuery, Query()]) -> Wire:
    """Links, newest first: under their own key, not in a collection."""
    wanted = {"reference_id": query.reference_id}
    links = world.store.find(PaymentLink, wanted, since=query.since, until=query.until, limit=10_000)
    if query.payment_id is not None:
        links = [link for link in links if any(p.payment_id == query.payment_id for p in link.payments or [])]
    return {"payment_links": [link.wire() for link in links[query.skip : query.skip + query.count]]}


@router.get("/{link_id}")
async def get_link(world: Here, link_id: str) -> Wire:
    """One link."""
    return find_link(world, link_id).wire()


@router.patch("/{link_id}")
async def patch_link(world: Here, link_id: str, body: LinkPatch) -> Wire:
    """Change an open link."""
    link = find_link(world, link_id)
    if not link.is_open:
        raise RazorpayError(f"Payment Link cannot be edited as it is {link.status}")
    if body.expire_by:
        _check_end(world, body.expire_by)
    if body.reference_id and body.reference_id != link.reference_id:
        _check_reference(world, body.reference_id)
    link = link.model_copy(update=body.model_dump(exclude_unset=True, exclude_none=True))
    link.updated_at = world.clock.now_s()
    with world.store.transaction():
        world.store.put(link)
        if body.expire_by:
            world.agenda.plan_at("payment_link.expire", link.id, link.expire_by)
        _let_order_follow(world, link)
    return link.wire()


@router.post("/{link_id}/cancel")
async def cancel_link(world: Here, link_id: str) -> Wire:
    """Cancel a link that nobody has paid on."""
    link = find_link(world, link_id)
    if link.status != "created":
        raise RazorpayError(f"Payment Link cannot be cancelled as it is {link.status}")
    close_link(world, link, "cancelled")
    return link.wire()


@router.post("/{link_id}/notify_by/{medium}")
async def notify_by(world: Here, link_id: str, medium: Medium) -> Wire:
    """Send the link again, by SMS or e-mail, to the sandbox's inbox."""
    link = find_link(world, link_id)
    if not link.is_open:
        raise RazorpayError(f"Notification cannot be sent as the Payment Link is {link.status}")
    tell(world, link, medium)
    return {"success": True}


def find_link(world: World, link_id: str) -> PaymentLink:
    """The link.

    Raises:
        RazorpayError: there is none.
    """
    link = world.store.get(PaymentLink, link_id)
    if link is None:
        raise no_such_id()
    return link


def tell(world: World, link: PaymentLink, medium: Medium) -> None:
    """Put the link into the customer's inbox.

    Raises:
        RazorpayError: the link knows no such address.
    """
    to = link.customer.contact if medium == "sms" else link.customer.email
    if not to:
        raise RazorpayError(f"The customer has no {'contact' if medium == 'sms' else 'email'}", field="customer")
    for_what = f" for {link.description}" if link.description else ""
    due = money(link.due, "inr")
    world.inbox.receive(
        to=to,
        sender="RZRPAY" if medium == "sms" else "no-reply@razorpay.sandbox",
        channel=medium,
        subject=None if medium == "sms" else f"Payment request of {due}",
        body=f"You have a payment request of {due}{for_what}. Pay here: {link.short_url}",
    )


def _check(world: World, body: LinkBody) -> None:
    if body.currency != "INR":
        raise RazorpayError("Currency is not supported", field="currency")
    if body.upi_link:
        raise RazorpayError("UPI Payment Links are not available in test mode", field="upi_link")
    if body.callback_url and body.callback_method != "get":
        raise RazorpayError("The callback_method field is required with callback_url.", field="callback_method")
    least = body.first_min_partial_amount
    if least is not None and not (body.accept_partial and least <= body.amount):
        raise RazorpayError(
            "first_min_partial_amount needs accept_partial and may not exceed the amount",
            field="first_min_partial_amount",
        )
    if body.expire_by:
        _check_end(world, body.expire_by)
    if body.reference_id:
        _check_reference(world, body.reference_id)


def _check_end(world: World, expire_by: int) -> None:
    now = world.clock.now_s()
    if not now < expire_by <= now + _LONGEST_LIFE:
        raise RazorpayError("expire_by must lie in the next six months", field="expire_by")


def _check_reference(world: World, reference_id: str) -> None:
    if world.store.find(PaymentLink, {"reference_id": reference_id}, limit=1):
        raise RazorpayError(
            f"payment link with given reference_id ({reference_id}) already exists", field="reference_id"
        )


def _let_order_follow(world: World, link: PaymentLink) -> None:
    order = world.store.get(Order, link.order_id)
    if order is not None:
        world.store.put(order.model_copy(update={"partial_payment": link.accept_partial}))
