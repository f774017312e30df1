"""Requests and responses of billing. Amounts are decimal strings beside their currency; points are whole."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.payments.api import Method

_NO_NUL = r"^[^\x00]*$"
Code = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[a-z0-9_.]+$")]
CouponCode = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^\s*[A-Za-z0-9_-]+\s*$")]
Currency = Annotated[str, StringConstraints(min_length=3, max_length=3, pattern=r"^[A-Z]+$")]
Country = Annotated[str, StringConstraints(min_length=2, max_length=2, pattern=r"^[A-Z]+$")]
Amount = Annotated[str, StringConstraints(min_length=1, max_length=24, pattern=_NO_NUL)]
Months = Annotated[int, Field(ge=1, le=36)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)]


class PriceOut(BaseModel):
    """What so many months cost, tax included."""

    amount: str
    currency: str
    months: int


class QuotaOut(BaseModel):
    """How much of something may be used in a calendar day or month."""

    metric: str
    limit: int
    window: str


class PlanOut(BaseModel):
    """A plan on offer. `points` are for each month of a paid period."""

    code: str
    version: int
    family: str
    title: str
    prices: list[PriceOut]
    points: str | None
    quotas: list[QuotaOut]
    trial_days: int
    tax: str | None
    features: list[str]


class SubscriptionIn(Strict):
    """A plan to begin."""

    plan: Code
    currency: Currency
    months: Months = 1
    coupon: CouponCode | None = None
    pays_from_wallet: bool = True


class ChangeIn(Strict):
    """A plan of the same family to change to."""

    plan: Code
    months: Months = 1


class CancelIn(Strict):
    """When a subscription ends: with the time that is paid for, or at once."""

    at_once: bool = False


class ActivateIn(Strict):
    """An invoice to be paid from the wallet, if it is not paid yet."""

    invoice_id: UUID


class InvoiceOut(BaseModel):
    """Something to be paid for, or that was."""

    id: UUID
    subscription_id: UUID | None
    offer: str
    months: int | None
    status: str
    currency: str
    price: str
    discount: str
    credit: str
    total: str
    tax: str
    tax_name: str | None
    given_back: str
    period_start: datetime | None
    period_end: datetime | None
    written_at: datetime
    paid_at: datetime | None


class SubscriptionOut(BaseModel):
    """A subscription as it stands; `invoice` is what is to be paid next for what was asked."""

    id: UUID
    family: str
    plan: str
    currency: str
    months: int
    status: str
    message: str
    paid_until: datetime
    ends_at_period_end: bool
    next_plan: str | None
    next_months: int | None
    pays_from_wallet: bool
    begun_at: datetime
    ended_at: datetime | None
    invoice: InvoiceOut | None = None


class PayIn(Strict):
    """How to pay an invoice. `from_wallet`: with money that is there. `keep_card`: its payer agrees that what they pay
    with is kept and charged for renewals, at the plan's price: a card, or with `method` upi an authorisation by UPI.
    """

    from_wallet: bool = False
    method: Method | None = None
    country: Country | None = None
    bank: Word | None = None
    token: Word | None = None
    keep_card: bool = False


class CardPageIn(Strict):
    """Whose currency a card to be kept has to pay in."""

    currency: Currency


class CardTokenIn(Strict):
    """A card to be kept, as the gateway's own script named it (`omise.js`): never its number."""

    currency: Currency
    token: Word


class CardKeptOut(BaseModel):
    """A card that is kept for renewals."""

    id: UUID
    brand: str
    last4: str


class CardPageOut(BaseModel):
    """Where a person gives the card that is kept for renewals: a page of the gateway."""

    id: UUID
    url: str


class PayOut(BaseModel):
    """An invoice, and where it is paid (None: it is paid)."""

    invoice: InvoiceOut
    order_id: UUID | None
    pay_url: str | None


class PackageOut(BaseModel):
    """Points on offer."""

    code: str
    version: int
    title: str
    points: str
    unit: str
    prices: list[PriceOut]
    valid_days: int | None
    tax: str | None


class PointsOut(BaseModel):
    """What an owner can spend now. `expiring` of it end at `next_expiry`."""

    unit: str
    available: str
    reserved: str
    purchased: str
    earned: str
    promotional: str
    next_expiry: datetime | None
    expiring: str


class LotOut(BaseModel):
    """Points that were granted together."""

    id: str
    source: str
    granted: str
    remaining: str
    reserved: str
    price: str | None
    currency: str | None
    expires_at: datetime | None
    granted_at: datetime


class ChargeOut(BaseModel):
    """Work that was paid in points."""

    id: UUID
    action: str
    status: str
    reserved: str
    charged: str
    given_back: str
    at: datetime


class PurchaseIn(Strict):
    """A package of points to buy."""

    package: Code
    currency: Currency
    coupon: CouponCode | None = None


class GrantIn(Strict):
    """Points to give to a person, and why."""

    person_id: UUID
    points: Amount
    source: Literal["earned", "promotional"] = "promotional"
    days: Annotated[int, Field(ge=1, le=3650)] | None = None
    reason: Word


class GrantOut(BaseModel):
    """Points that were given."""

    person_id: UUID
    points: str
    expires_at: datetime | None


class CouponIn(Strict):
    """A coupon to make: a share (`percent`) or an amount off."""

    code: CouponCode
    percent: Annotated[str, StringConstraints(pattern=r"^\d{1,3}(\.\d{1,2})?$")] | None = None
    amount: Amount | None = None
    currency: Currency | None = None
    offers: Annotated[list[Code], Field(max_length=50)] = []
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    most: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    once_per_owner: bool = True
    periods: Annotated[int, Field(ge=1, le=120)] | None = 1


class CouponOut(BaseModel):
    """A coupon as it stands."""

    code: str
    percent: str | None
    amount: str | None
    currency: str | None
    offers: list[str]
    starts_at: datetime | None
    ends_at: datetime | None
    most: int | None
    redeemed: int
    once_per_owner: bool
    periods: int | None


class CapIn(Strict):
    """The most points that may be spent in a calendar day or month: by a person, or (none named) by everyone."""

    person_id: UUID | None = None
    points: Amount
    window: Literal["day", "month"]


class CapOut(BaseModel):
    """A cap that was set."""

    person_id: UUID | None
    points: str
    window: str
