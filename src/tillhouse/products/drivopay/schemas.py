"""What DrivoPay's JSON endpoints take and give. Amounts are decimal strings beside their currency."""

from datetime import UTC, date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tillhouse.products.drivopay.domain import Category, PaidIn, Platform

Amount = Annotated[str, Field(max_length=24, examples=["150.00"])]
Note = Annotated[str, Field(max_length=500)]
Reference = Annotated[str, Field(min_length=1, max_length=200)]
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2100, 1, 1)  # a date outside is a slip, and has no day in every zone
BusinessDate = Annotated[date, Field(ge=FIRST_DAY, le=LAST_DAY)]
Month = Annotated[str, Field(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), le=datetime(2100, 1, 1, tzinfo=UTC))]
_MOST_TRIPS, _MOST_MINUTES = 500, 24 * 60


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid")


class EarningIn(_Input):
    """A trip or a shift. Its day is that of `started_at` on the driver's clock, or `business_date`, or today."""

    platform: Platform
    gross: Amount
    commission: Amount = "0"
    incentive: Amount = "0"
    tip: Amount = "0"
    currency: Literal["INR"] = "INR"
    paid_in: PaidIn = "digital"
    trips: int = Field(1, ge=0, le=_MOST_TRIPS)
    minutes: int = Field(0, ge=0, le=_MOST_MINUTES)
    distance_km: Annotated[str, Field(max_length=12, pattern=r"^\d{1,4}(\.\d{1,3})?$", examples=["8.4"])] = "0"
    started_at: Instant | None = None
    business_date: BusinessDate | None = None
    external_ref: Reference | None = None
    note: Note = ""


class EarningOut(BaseModel):
    """`net` is what reached the driver: gross less commission, plus incentive and tip."""

    id: UUID
    platform: Platform
    gross: str
    commission: str
    incentive: str
    tip: str
    net: str
    currency: str
    paid_in: PaidIn
    trips: int
    minutes: int
    distance_km: str
    started_at: AwareDatetime | None
    business_date: date
    external_ref: str | None
    note: str


class ExpenseIn(_Input):
    """Something that was paid. Its day is that of `spent_at` on the driver's clock, or `business_date`, or today."""

    category: Category
    amount: Amount
    currency: Literal["INR"] = "INR"
    spent_at: Instant | None = None
    business_date: BusinessDate | None = None
    note: Note = ""


class ExpenseOut(BaseModel):
    """An expense as it stands."""

    id: UUID
    category: Category
    amount: str
    currency: str
    spent_at: AwareDatetime | None
    business_date: date
    note: str


class EarningStats(BaseModel):
    """A period: what came in, what was left, and what an hour and a kilometre were worth."""

    first: date
    last: date
    currency: str
    earned: str
    cash: str
    spent: str
    net: str
    trips: int
    minutes: int
    distance_km: str
    days: int
    net_per_hour: str | None
    net_per_km: str | None


class ShareOut(BaseModel):
    """One platform's or category's part of a period."""

    name: str
    amount: str
    count: int


class Shares(BaseModel):
    """A period, shared out; the largest first."""

    first: date
    last: date
    currency: str
    items: list[ShareOut]


class ExpenseStats(BaseModel):
    """A period: what was spent, on how many days, in how many entries."""

    first: date
    last: date
    currency: str
    spent: str
    count: int
