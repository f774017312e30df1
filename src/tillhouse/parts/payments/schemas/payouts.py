"""Requests and responses of money that goes out, and of the accounts it goes to."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.payments.schemas.common import NO_NUL, Amount, Currency, Short


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
    note: Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)] = ""


class DecisionOut(BaseModel):
    """A decision about a payout that waited; `by` is null where what it waited for happened by itself."""

    decision: str
    reason: str
    by: UUID | None
    note: str
    at: datetime


class StaffPayoutOut(PayoutOut):
    """A payout as staff see it: whose it is (a person's or an organisation's), why it waits, who has decided what."""

    person_id: UUID | None
    organisation_id: UUID | None
    payee_id: UUID | None
    requested_by: UUID | None
    provider: str
    reasons: list[str]
    approvals_needed: int
    decisions: list[DecisionOut]
