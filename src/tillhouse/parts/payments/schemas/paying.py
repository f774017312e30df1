"""Requests and responses of money that comes in and goes back."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.schemas.common import (
    NO_NUL,
    Amount,
    Currency,
    Email,
    Kind,
    OurPage,
    ProviderId,
    Short,
)


class DepositIn(Strict):
    """Money to be added to the caller's wallet."""

    amount: Amount
    currency: Currency


class OrderIn(DepositIn):
    """Money to be paid for a purpose."""

    purpose: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z_.]+$")]


class OrderOut(BaseModel):
    """An order that can be paid. `key_id` and `provider_order_id` open the gateway's checkout in a browser."""

    id: UUID
    provider: str
    provider_order_id: str | None
    amount: str
    currency: str
    key_id: str
    purpose: str
    status: str
    message: str
    expires_at: datetime
    paid_at: datetime | None


class VerifyIn(Strict):
    """What Razorpay's checkout hands back."""

    razorpay_order_id: ProviderId
    razorpay_payment_id: ProviderId
    razorpay_signature: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_NUL)]


class StatusOut(BaseModel):
    """Where an order or a payout stands, and what that means for the money."""

    id: UUID
    kind: Kind
    status: str
    amount: str
    currency: str
    message: str
    created_at: datetime


class CheckoutIn(DepositIn):
    """Something to be paid for, by somebody signed in or not.

    Without `method` the house chooses what suits the currency and country. `token` is a card as the gateway's script
    named it, `bank` the payer's bank for internet banking. `email` gets the receipt. `return_path` is a page of this
    house to go on to.
    """

    purpose: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z_.]+$")]
    reference: Short | None = None
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = None
    method: Method | None = None
    bank: Short | None = None
    token: Short | None = None
    email: Email | None = None
    return_path: OurPage | None = None


class FieldOut(BaseModel):
    """One field of a form, or one line of what a payer types in. The order is kept."""

    name: str
    value: str


class ScriptOut(BaseModel):
    """The gateway's own script opens the checkout with these options; `form_url` is for pages without scripts."""

    kind: Literal["script"] = "script"
    script_url: str
    form_url: str
    options: dict[str, str | int]


class FormOut(BaseModel):
    """A form that the browser posts to the gateway, its fields in this order."""

    kind: Literal["form"] = "form"
    url: str
    fields: list[FieldOut]


class RedirectOut(BaseModel):
    """A page of the gateway to send the browser to."""

    kind: Literal["redirect"] = "redirect"
    url: str


class QrOut(BaseModel):
    """A code for a banking app: `text` is what it says, else `image_url` shows it; `lines` are for typing it in."""

    kind: Literal["qr"] = "qr"
    text: str | None
    image_url: str | None
    lines: list[FieldOut]


class CheckoutOut(BaseModel):
    """An order and how it is paid. `pay_url` is a page for the payer: whoever has it can see the order and pay it."""

    id: UUID
    provider: str
    method: Method
    provider_order_id: str | None
    amount: str
    currency: str
    purpose: str
    status: str
    message: str
    pay_url: str
    checkout: Annotated[ScriptOut | FormOut | RedirectOut | QrOut, Field(discriminator="kind")] | None
    expires_at: datetime


class QrIn(Strict):
    """A code for a banking app, over `amount`: UPI for INR, PromptPay for THB, VietQR for VND."""

    amount: Amount
    currency: Currency = "INR"
    purpose: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z_.]+$")] = "wallet_deposit"


class QrCodeOut(BaseModel):
    """A code for one payment. `id` is its order's. `qr` is what the code says, where its provider tells.

    `image_url` is its picture: an address, or a `data:` address of one drawn here. A `closed` code cannot be paid: its
    order was paid, has ended, or `expires_at` is over; `message` says which and what that means for the money.
    """

    id: UUID
    provider: str
    method: Method
    amount: str
    currency: str
    purpose: str
    status: Literal["active", "closed"]
    order_status: str
    message: str
    qr: str | None
    image_url: str | None
    lines: list[FieldOut]
    expires_at: datetime


class RefundIn(Strict):
    """Money to go back to its payer: of a payment, or of the payment that paid an order. Without `amount`: all of it.

    `advance` lets the house lend what the owner's wallet lacks, as a debt of theirs. `email` is the payer's, for a
    gateway that writes to them to ask for a bank account, where none is known.
    """

    payment_id: UUID | None = None
    order_id: UUID | None = None
    amount: Amount | None = None
    reason: Short
    advance: bool = False
    email: Email | None = None


class RefundOut(BaseModel):
    """A refund as it stands. `advanced` of it is owed to the house."""

    id: UUID
    payment_id: UUID
    status: str
    amount: str
    advanced: str
    currency: str
    origin: str
    reason: str
    message: str
    failure: str | None
    created_at: datetime
    finished_at: datetime | None


class EventOut(BaseModel):
    """A provider's event as it stands with us."""

    id: UUID
    provider: str
    event_id: str
    name: str
    status: str
    reason: str | None
    received_at: datetime


class Received(BaseModel):
    """An event was taken in."""

    received: Literal[True] = True


# Days that no provider's calendar reaches are refused here rather than there.
