"""RazorpayX's answers as they are on the wire. Amounts are paise."""

from typing import Literal

from pydantic import BaseModel

PayoutStatus = Literal[
    "pending", "queued", "scheduled", "processing", "processed", "reversed", "cancelled", "rejected", "failed"
]


class _StatusDetails(BaseModel):
    description: str | None = None
    reason: str | None = None


class PayoutWire(BaseModel):
    """A payout: only what we read of it."""

    id: str
    amount: int
    currency: str
    status: PayoutStatus
    reference_id: str | None = None
    utr: str | None = None
    fees: int | None = None
    tax: int | None = None
    failure_reason: str | None = None
    status_details: _StatusDetails | None = None


class Payouts(BaseModel):
    """A collection of payouts."""

    items: list[PayoutWire]


class Made(BaseModel):
    """Anything that was made, by its id."""

    id: str


class ValidationResults(BaseModel):
    """What the bank said of an account."""

    account_status: str | None = None
    registered_name: str | None = None


class ValidationWire(BaseModel):
    """A penny drop."""

    id: str
    status: Literal["created", "completed", "failed"]
    results: ValidationResults | None = None
    notes: object = None  # an empty one comes as a list

    @property
    def reference(self) -> object:
        return self.notes.get("reference") if isinstance(self.notes, dict) else None


class Validations(BaseModel):
    """A collection of penny drops."""

    items: list[ValidationWire]
