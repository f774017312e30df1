"""RazorpayX's objects and bodies: contacts, fund accounts, payouts."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.sandbox.razorpay.schemas import Body, Entity, ListQuery, Notes, Paise, Reference, Wire

Ifsc = Annotated[str, StringConstraints(pattern=r"^[A-Z]{4}0[A-Z0-9]{6}$")]
AccountNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{5,35}$")]
VpaAddress = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{2,256}@[A-Za-z][A-Za-z0-9]{1,63}$")]
Narration = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 ]*$", max_length=30)]


class ContactBody(Body):
    """Body of `POST /contacts`."""

    name: str = Field(min_length=3, max_length=50)
    email: str | None = None
    contact: str | None = None
    type: str | None = None
    reference_id: Reference | None = None
    notes: Notes = {}


class ContactPatch(Body):
    """Body of `PATCH /contacts/{id}`."""

    name: str | None = Field(None, min_length=3, max_length=50)
    email: str | None = None
    contact: str | None = None
    type: str | None = None
    reference_id: Reference | None = None
    active: bool | None = None
    notes: Notes | None = None


class Contact(Entity):
    """Someone who can be paid."""

    kind: ClassVar[str] = "contact"

    entity: Literal["contact"] = "contact"
    name: str
    contact: str | None = None
    email: str | None = None
    type: str | None = None
    reference_id: str | None = None
    batch_id: str | None = None
    active: bool = True
    notes: Notes = {}


class BankAccountBody(Body):
    """A bank account as it is sent."""

    name: str = Field(min_length=3, max_length=120)
    ifsc: Ifsc
    account_number: AccountNumber


class VpaBody(Body):
    """A UPI id as it is sent."""

    address: VpaAddress


class Destination(Body):
    """Where money goes: details of one type."""

    account_type: Literal["bank_account", "vpa"]
    bank_account: BankAccountBody | None = None
    vpa: VpaBody | None = None


class FundAccountBody(Destination):
    """Body of `POST /fund_accounts`."""

    contact_id: str


class CompositeFundAccount(Destination):
    """A destination with its contact, inside `POST /payouts`."""

    contact: ContactBody


class BankAccount(BaseModel):
    """A bank account as it is answered."""

    ifsc: str
    bank_name: str
    name: str
    account_number: str
    notes: list[str] = []


class Vpa(BaseModel):
    """A UPI id as it is answered."""

    username: str
    handle: str
    address: str


class FundAccount(Entity):
    """A destination of a contact. Immutable but for `active`."""

    kind: ClassVar[str] = "fund_account"

    entity: Literal["fund_account"] = "fund_account"
    contact_id: str
    account_type: Literal["bank_account", "vpa"]
    bank_account: BankAccount | None = None
    vpa: Vpa | None = None
    active: bool = True
    batch_id: str | None = None

    def wire(self) -> Wire:
        document = super().wire()
        del document["vpa" if self.account_type == "bank_account" else "bank_account"]
        return document


class ActiveBody(Body):
    """Body of `PATCH /fund_accounts/{id}`."""

    active: bool


Mode = Literal["NEFT", "RTGS", "IMPS", "UPI"]
PayoutStatus = Literal[
    "pending", "queued", "scheduled", "processing", "processed", "reversed", "cancelled", "rejected", "failed"
]


class PayoutBody(Body):
    """Body of `POST /payouts`: with a fund account's id, or the composite form."""

    account_number: str
    fund_account_id: str | None = None
    fund_account: CompositeFundAccount | None = None
    amount: Paise
    currency: Literal["INR"]
    mode: Mode
    purpose: str = Field(min_length=1, max_length=30)
    queue_if_low_balance: bool = False
    reference_id: Reference | None = None
    narration: Narration | None = None
    notes: Notes = {}


class StatusDetails(BaseModel):
    """Why a payout is where it is."""

    description: str | None = None
    source: str | None = None
    reason: str | None = None


class Payout(Entity):
    """A payout."""

    kind: ClassVar[str] = "payout"
    private: ClassVar[frozenset[str]] = frozenset({"debited", "bank_reference"})

    entity: Literal["payout"] = "payout"
    fund_account_id: str
    amount: int
    currency: Literal["INR"] = "INR"
    notes: Notes = {}
    fees: int = 0
    tax: int = 0
    status: PayoutStatus
    utr: str | None = None
    mode: Mode
    purpose: str
    reference_id: str | None = None
    narration: str | None = None
    batch_id: str | None = None
    failure_reason: str | None = None
    status_details: StatusDetails = StatusDetails()
    fee_type: str | None = None
    debit_account_number: str
    debited: bool = False
    bank_reference: str = ""


class PayoutQuery(ListQuery):
    """Filters of the list of payouts; the account number is required."""

    account_number: str
    contact_id: str | None = None
    fund_account_id: str | None = None
    mode: Mode | None = None
    reference_id: str | None = None
    status: PayoutStatus | None = None
