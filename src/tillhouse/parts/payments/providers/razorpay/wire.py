"""Razorpay's answers as they are on the wire: only what we read. Amounts are paise, times unix seconds."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator

from tillhouse.kernel.money import Money

T = TypeVar("T")


def _notes(value: object) -> object:
    """Notes without a pair come as an empty array."""
    return value if isinstance(value, dict) else {}


Notes = Annotated[dict[str, object], BeforeValidator(_notes)]


class Collection(BaseModel, Generic[T]):
    """A list of one kind."""

    items: list[T]


class OrderWire(BaseModel):
    """An order."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "attempted", "paid"]
    receipt: str | None = None
    notes: Notes = {}


class CustomerWire(BaseModel):
    """Whom later payments are charged to."""

    id: str


class TokenCard(BaseModel):
    """The card behind a token."""

    last4: str
    network: str = ""
    expiry_month: int | None = None
    expiry_year: int | None = None


class TokenVpa(BaseModel):
    """The UPI address behind a token."""

    username: str
    handle: str


class TokenDetails(BaseModel):
    """Where an authorisation stands: initiated, confirmed, rejected, paused, cancellation_initiated, cancelled."""

    status: str


class TokenWire(BaseModel):
    """An authorisation to charge later. Not every answer has all of it: `max_amount` is documented for events alone."""

    id: str
    method: str
    card: TokenCard | None = None
    vpa: TokenVpa | None = None
    recurring_details: TokenDetails
    max_amount: int | None = None
    expired_at: int | None = None


class TokenCancelled(BaseModel):
    """The bank was asked to end an authorisation."""

    status: str


class TokenDeleted(BaseModel):
    """A token is gone."""

    deleted: bool


class RecurringWire(BaseModel):
    """A charge that was begun."""

    razorpay_payment_id: str


class QrWire(BaseModel):
    """A UPI code for one payment."""

    id: str
    status: Literal["active", "closed"]
    image_url: str
    image_content: str | None = None
    close_by: int | None = None
    notes: Notes = {}


class LinkPayment(BaseModel):
    """One payment of a link."""

    payment_id: str


class LinkWire(BaseModel):
    """A page of Razorpay on which one order is paid."""

    id: str
    status: str
    short_url: str
    reference_id: str | None = None
    payments: list[LinkPayment] | None = None


class Links(BaseModel):
    """A list of links: under a name of its own."""

    payment_links: list[LinkWire]


class PaymentWire(BaseModel):
    """A payment. `refunded` means wholly given back, also what was never captured (`captured` tells which)."""

    id: str
    amount: int
    currency: str
    status: Literal["created", "authorized", "captured", "refunded", "failed"]
    order_id: str | None = None
    method: str | None = None
    captured: bool = False
    amount_refunded: int | None = 0
    fee: int | None = None
    tax: int | None = None
    error_code: str | None = None
    error_description: str | None = None
    error_reason: str | None = None
    email: str | None = None
    contact: str | None = None
    customer_id: str | None = None
    token_id: str | None = None
    notes: Notes = {}
    created_at: int = 0


class RefundWire(BaseModel):
    """A refund."""

    id: str
    payment_id: str
    amount: int
    currency: str
    status: Literal["pending", "processed", "failed"]
    receipt: str | None = None
    created_at: int = 0


class DisputeWire(BaseModel):
    """A dispute. Money is taken when it is lost, or at its beginning and given back when it is won."""

    id: str
    payment_id: str
    amount: int
    currency: str
    status: Literal["open", "under_review", "action_required", "won", "lost", "closed"]
    reason_code: str | None = None
    amount_deducted: int = 0
    respond_by: int | None = None


class ReconWire(BaseModel):
    """A line of the settlement report: what reached us is credit − debit, of which `fee` (with `tax`) was kept."""

    entity_id: str
    type: str
    debit: int
    credit: int
    amount: int
    currency: str
    fee: int = 0
    tax: int = 0
    settled: bool = True
    settlement_id: str | None = None
    settlement_utr: str | None = None
    dispute_id: str | None = None

    def money(self, minor: int) -> Money:
        return Money(minor, self.currency)
