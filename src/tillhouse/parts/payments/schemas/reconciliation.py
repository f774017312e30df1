"""Requests and responses of reconciliation."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.payments.schemas.common import NO_NUL, Currency, Short

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

    explanation: Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern=NO_NUL)]
    legs: Annotated[list[LegIn], Field(max_length=20)] = []


class EndingIn(Strict):
    """What became of the payout or refund; `provider_id` is what the provider calls it, where it did happen."""

    explanation: Annotated[str, StringConstraints(min_length=10, max_length=1000, pattern=NO_NUL)]
    outcome: Literal["never_happened", "happened"]
    provider_id: Short | None = None


class EndingOut(BaseModel):
    """What people say became of a payout or refund."""

    outcome: Literal["never_happened", "happened"]
    provider_id: str | None


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
    ending: EndingOut | None
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
