"""What a payment link is, and what money does to it. Its API is `payment_links`, its page `link_pages`."""

from typing import ClassVar, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, Field, JsonValue, StrictBool

from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.errors import RazorpayError
from tillhouse.sandbox.razorpay.schemas import Body, Entity, Notes, Order, Paise, Payment, Reference
from tillhouse.sandbox.razorpay.signing import payment_link_signature
from tillhouse.sandbox.world import World

LinkStatus = Literal["created", "partially_paid", "paid", "expired", "cancelled"]

_OPEN = {"created", "partially_paid"}


class Customer(Body):
    """Whom a link is for."""

    name: str | None = None
    email: str | None = None
    contact: str | None = None


class Notify(Body):
    """How Razorpay tells the customer."""

    sms: bool = False
    email: bool = False


class LinkBody(Body):
    """Body of `POST /payment_links`."""

    amount: Paise
    currency: str = "INR"
    accept_partial: StrictBool = False
    first_min_partial_amount: Paise | None = None
    upi_link: bool = False
    description: str = Field("", max_length=2048)
    reference_id: Reference = ""
    customer: Customer = Customer()
    expire_by: int | None = Field(None, ge=0)
    notify: Notify = Notify()
    reminder_enable: bool = False
    notes: Notes = {}
    callback_url: str = ""
    callback_method: Literal["get", ""] = ""
    options: dict[str, JsonValue] | None = None


class LinkPatch(Body):
    """Body of `PATCH /payment_links/{id}`."""

    accept_partial: StrictBool | None = None
    reference_id: Reference | None = None
    expire_by: int | None = Field(None, ge=0)
    reminder_enable: bool | None = None
    notes: Notes | None = None


class LinkPayment(BaseModel):
    """A payment as its link lists it."""

    amount: int
    created_at: int
    method: str
    payment_id: str
    plink_id: str
    status: str
    updated_at: int


class PaymentLink(Entity):
    """A payment link. Instants that have not come are 0 on the wire."""

    kind: ClassVar[str] = "payment_link"
    private: ClassVar[frozenset[str]] = frozenset({"link_code"})

    accept_partial: bool
    amount: int
    amount_paid: int = 0
    callback_method: str = ""
    callback_url: str = ""
    cancelled_at: int = 0
    currency: str
    customer: Customer
    description: str
    expire_by: int = 0
    expired_at: int = 0
    first_min_partial_amount: int = 0
    notes: Notes = {}
    notify: Notify
    order_id: str
    payments: list[LinkPayment] | None = None
    reference_id: str
    reminder_enable: bool
    reminders: list[str] = []
    short_url: str
    status: LinkStatus = "created"
    updated_at: int
    upi_link: bool
    user_id: str = ""
    link_code: str

    @property
    def due(self) -> int:
        """What is left to pay, in paise."""
        return self.amount - self.amount_paid

    @property
    def least(self) -> int:
        """The smallest part that may be paid now, in paise."""
        if not self.accept_partial:
            return self.due
        return min(self.due, max(100, 0 if self.amount_paid else self.first_min_partial_amount))

    @property
    def is_open(self) -> bool:
        """Whether it still takes money."""
        return self.status in _OPEN


def link_of(world: World, order: Order) -> PaymentLink | None:
    """The link that an order stands behind."""
    return world.store.get(PaymentLink, order.link_id) if order.link_id else None


def takes(world: World, order: Order, amount: int) -> bool:
    """Whether `amount` paise for the order are welcome: always, unless its link is closed or less is due on it."""
    link = link_of(world, order)
    return link is None or (link.is_open and amount <= link.due)


def require_payable(world: World, order: Order, amount: int | None) -> None:
    """Refuse to pay a link that is closed, or a part of it that may not be paid. An order of no link is payable.

    Raises:
        RazorpayError: as above.
    """
    link = link_of(world, order)
    if link is None:
        return
    if not link.is_open:
        raise RazorpayError(f"Payment Link is {link.status} and takes no payment", field="payment_link_id")
    if amount is not None and not link.least <= amount <= link.due:
        raise RazorpayError(f"The amount must be between {link.least} and {link.due}.", field="amount")


def credit_link(world: World, payment: Payment, order: Order) -> None:
    """Count captured money for the order's link, if it has one that is open. Needs a transaction."""
    link = link_of(world, order)
    if link is None or not link.is_open:
        return
    now = world.clock.now_s()
    entry = LinkPayment(
        amount=payment.amount,
        created_at=payment.created_at,
        method=payment.method,
        payment_id=payment.id,
        plink_id=link.id,
        status=payment.status,
        updated_at=now,
    )
    link.payments = [*(link.payments or []), entry]
    link.amount_paid, link.updated_at = link.amount_paid + payment.amount, now
    link.status = "paid" if link.due <= 0 else "partially_paid"
    world.store.put(link)
    events.emit(world, f"payment_link.{link.status}", order, payment, link)


def close_link(world: World, link: PaymentLink, status: Literal["expired", "cancelled"]) -> None:
    """End a link without (all of) its money."""
    now = world.clock.now_s()
    link.status, link.updated_at = status, now
    if status == "expired":
        link.expired_at = now
    else:
        link.cancelled_at = now
    with world.store.transaction():
        world.store.put(link)
        events.emit(world, f"payment_link.{status}", link)


def expire(world: World, link_id: str) -> None:
    """The time of a link has come: an open one expires, unless its end was moved meanwhile."""
    link = world.store.get(PaymentLink, link_id)
    if link and link.is_open and link.expire_by and link.expire_by <= world.clock.now_s():
        close_link(world, link, "expired")


def callback_fields(world: World, link: PaymentLink, payment_id: str) -> dict[str, str]:
    """What the person brings back to `callback_url`, signed."""
    secret = world.settings.razorpay_key_secret
    signature = payment_link_signature(secret, link.id, link.reference_id, link.status, payment_id)
    return {
        "razorpay_payment_id": payment_id,
        "razorpay_payment_link_id": link.id,
        "razorpay_payment_link_reference_id": link.reference_id,
        "razorpay_payment_link_status": link.status,
        "razorpay_signature": signature,
    }


def callback_address(world: World, link: PaymentLink, payment_id: str) -> str:
    """`callback_url` with the signed query; empty when there is none, or none that the sandbox may lead to."""
    if not link.callback_url or not world.settings.may_call(link.callback_url):
        return ""
    joint = "&" if "?" in link.callback_url else "?"
    return f"{link.callback_url}{joint}{urlencode(callback_fields(world, link, payment_id))}"
