"""Requests and responses of payments. Amounts are decimal strings beside their currency."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from tillhouse.parts.payments.domain import Method

_NO_NUL = r"^[^\x00]*$"
Amount = Annotated[str, StringConstraints(min_length=1, max_length=24, pattern=_NO_NUL)]
Currency = Annotated[str, StringConstraints(min_length=3, max_length=12, pattern=r"^[A-Z_]+$")]
Short = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)]
ProviderId = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_]+$")]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+$")]
# A path of this house alone: two slashes at its beginning would name another host.
OurPage = Annotated[str, StringConstraints(max_length=300, pattern=r"^/([A-Za-z0-9._~-][A-Za-z0-9._~/?=&-]*)?$")]

Kind = Literal["order", "payout"]


class Strict(BaseModel):
    """A request: a field that it does not know is refused, so that a misspelt one is not silently ignored."""

    model_config = ConfigDict(extra="forbid")


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
    razorpay_signature: Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=_NO_NUL)]


class VpaIn(Strict):
    """A UPI id."""

    type: Literal["vpa"]
    vpa: Short


class BankAccountIn(Strict):
    """A bank account in India."""

    type: Literal["bank_account"]
    name: Short
    ifsc: Short
    account_number: Short


class ThaiBankAccountIn(Strict):
    """A bank account in Thailand. `bank` is its short name, such as kbank or scb."""

    type: Literal["thai_bank_account"]
    name: Short
    bank: Short
    account_number: Short


class StripeAccountIn(Strict):
    """A connected account at Stripe."""

    type: Literal["stripe_account"]
    account_id: Short


class SavedPayeeIn(Strict):
    """An account that was saved before."""

    type: Literal["payee"]
    payee_id: UUID


AccountIn = Annotated[VpaIn | BankAccountIn | ThaiBankAccountIn | StripeAccountIn, Field(discriminator="type")]
DestinationIn = Annotated[
    VpaIn | BankAccountIn | ThaiBankAccountIn | StripeAccountIn | SavedPayeeIn, Field(discriminator="type")
]


class PayeeIn(Strict):
    """An account to be saved."""

    destination: AccountIn


class PayeeOut(BaseModel):
    """A saved account. `destination` and `registered_name` are masked; until `usable_from` only small amounts go there.

    `name_match` says how the bank's name agrees with the owner's: match, partial, mismatch, unknown; null before.
    """

    id: UUID
    type: str
    destination: str
    status: str
    message: str
    registered_name: str | None
    name_match: str | None
    usable_from: datetime
    added_at: datetime


class WithdrawIn(Strict):
    """Money to leave the caller's wallet."""

    amount: Amount
    currency: Currency
    destination: DestinationIn


class PayoutIn(WithdrawIn):
    """Money to leave a person's wallet, on behalf of that person."""

    person_id: UUID


class PayoutOut(BaseModel):
    """A payout as it stands. `destination` is masked."""

    id: UUID
    status: str
    amount: str
    currency: str
    destination: str
    message: str
    failure: str | None
    utr: str | None
    created_at: datetime
    finished_at: datetime | None


class DecisionIn(Strict):
    """Why a payout that waited goes, or does not. `note` is for colleagues: no personal data."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z_]+$")] | None = None
    note: Annotated[str, StringConstraints(max_length=500, pattern=_NO_NUL)] = ""


class DecisionOut(BaseModel):
    """A decision about a payout that waited; `by` is null where what it waited for happened by itself."""

    decision: str
    reason: str
    by: UUID | None
    note: str
    at: datetime


class StaffPayoutOut(PayoutOut):
    """A payout as staff see it: whose it is, why it waits, and who has decided what."""

    person_id: UUID
    payee_id: UUID | None
    requested_by: UUID | None
    provider: str
    reasons: list[str]
    approvals_needed: int
    decisions: list[DecisionOut]


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
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
Provider = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[a-z0-9_]+$")]
Signed = Annotated[str, StringConstraints(min_length=1, max_length=24, pattern=r"^-?[0-9]+(\.[0-9]+)?$")]


class ReconciliationIn(Strict):
    """A provider's report of one day of its calendar."""

    provider: Provider
    day: Day


class DifferenceOut(BaseModel):
    """A line that explains a part of a difference; `subject` is what its exception is called."""

    what: str
    subject: str
    amount: str


class DayOut(BaseModel):
    """One day of a provider in one currency: reported, booked and banked, net of fees, and what is between them."""

    provider: str
    day: date
    currency: str
    reported: str
    booked: str
    banked: str
    not_booked: list[DifferenceOut]
    not_banked: list[DifferenceOut]
    unexplained: str
    agrees: bool


class DaysOut(BaseModel):
    """A provider's day, one entry for each currency."""

    items: list[DayOut]


class ImportedOut(BaseModel):
    """What one statement of a file added. `changed` lines contradict a closed day and were not added."""

    account: str
    first_day: date
    last_day: date
    added: int
    known: int
    changed: int
    matched: int


class ImportsOut(BaseModel):
    """Every statement of a file."""

    items: list[ImportedOut]


class LegIn(Strict):
    """One leg of a correction: debits above zero. `item` is the open item that it ends."""

    account: Short
    amount: Signed
    currency: Currency
    item: Short | None = None


class ProposalIn(Strict):
    """How an exception is to end: by these legs, or (none) because of the explanation."""

    explanation: Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern=_NO_NUL)]
    legs: Annotated[list[LegIn], Field(max_length=20)] = []


class ResolutionDecisionIn(Strict):
    """The proposal that was looked at."""

    resolution_id: UUID


class LegOut(BaseModel):
    """One leg of a correction."""

    account: str
    amount: str
    currency: str
    item: str | None


class ResolutionOut(BaseModel):
    """How an exception is to end, or ended."""

    id: UUID
    state: Literal["proposed", "approved", "rejected"]
    explanation: str
    legs: list[LegOut]
    proposed_by: UUID
    proposed_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    transaction_id: str | None


class ExceptionOut(BaseModel):
    """Something that a person has to look at. `reason` is its class."""

    id: UUID
    kind: str
    subject: str
    reason: str
    amount: str | None
    currency: str | None
    age_days: int
    state: Literal["open", "proposed", "resolved"]
    details: dict[str, JsonValue]
    opened_at: datetime
    closed_at: datetime | None
    resolution: ResolutionOut | None


class OpenItemOut(BaseModel):
    """What is left of one matter in an account."""

    item: str
    amount: str
    since: datetime
    age_days: int
    bucket: str


class AgedAccountOut(BaseModel):
    """An account that has to return to zero, with what makes up its balance."""

    account: str
    currency: str
    balance: str
    buckets: dict[str, str]
    items: list[OpenItemOut]


class AgeingOut(BaseModel):
    """Every account that has to return to zero."""

    items: list[AgedAccountOut]
