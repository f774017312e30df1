"""Omise's recipients and transfers, and the bodies that make them."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.sandbox.omise.schemas import Entity, Metadata, Satang, Wire


class BankAccountBody(BaseModel):
    """Where a recipient is paid: the bank by `brand` or `bank_code`."""

    brand: str | None = None
    bank_code: str | None = None
    number: Annotated[str, StringConstraints(pattern=r"^[0-9-]{8,20}$")]
    name: str = Field(min_length=1)
    branch_code: str | None = None
    type: str | None = None


class RecipientBody(BaseModel):
    """Body of `POST /recipients`."""

    name: str = Field(min_length=1)
    type: Literal["individual", "corporation"]
    bank_account: BankAccountBody
    email: str | None = None
    description: str | None = None
    tax_id: str | None = None
    metadata: Metadata = {}


class RecipientPatch(BaseModel):
    """Body of `PATCH /recipients/{id}`. A new bank account is verified anew."""

    name: str | None = Field(None, min_length=1)
    type: Literal["individual", "corporation"] | None = None
    bank_account: BankAccountBody | None = None
    email: str | None = None
    description: str | None = None
    tax_id: str | None = None
    metadata: Metadata | None = None


class BankAccount(BaseModel):
    """A bank account as it is answered; `number` never leaves."""

    object: Literal["bank_account"] = "bank_account"
    livemode: bool = False
    brand: str
    bank_code: str
    branch_code: str | None = None
    last_digits: str
    name: str
    type: str | None = None
    number: str

    def wire(self) -> Wire:
        document: Wire = self.model_dump(mode="json", exclude={"number"})
        return document


class Recipient(Entity):
    """Someone who can be paid."""

    kind: ClassVar[str] = "omise_recipient"
    noun: ClassVar[str] = "recipient"
    path: ClassVar[str] = "recipients"
    instants: ClassVar[frozenset[str]] = frozenset({"verified_at", "activated_at"})

    name: str
    type: str
    email: str | None = None
    description: str | None = None
    tax_id: str | None = None
    bank_account: BankAccount
    metadata: Metadata = {}
    verified: bool = False
    verified_at: int | None = None
    active: bool = False
    activated_at: int | None = None
    default: bool = False
    deleted: bool = False
    failure_code: str | None = None
    schedule: None = None

    def wire(self) -> Wire:
        return {**super().wire(), "bank_account": self.bank_account.wire()}


class TransferBody(BaseModel):
    """Body of `POST /transfers`."""

    amount: Satang
    recipient: str | None = None
    fail_fast: bool = False
    split_transfer: bool = False
    metadata: Metadata = {}
    idemp_key: str | None = Field(None, min_length=1, max_length=255)


class TransferPatch(BaseModel):
    """Body of `PATCH /transfers/{id}`."""

    amount: Satang | None = None
    metadata: Metadata | None = None


class Transfer(Entity):
    """Money on its way to a recipient. There is no status: `sent`, `paid` and `failure_code` tell."""

    kind: ClassVar[str] = "omise_transfer"
    noun: ClassVar[str] = "transfer"
    path: ClassVar[str] = "transfers"
    private: ClassVar[frozenset[str]] = frozenset({"idemp_key"})
    instants: ClassVar[frozenset[str]] = frozenset({"sent_at", "paid_at"})

    recipient: str
    bank_account: BankAccount
    amount: int
    currency: str = "THB"
    fee: int
    fee_vat: int
    total_fee: int
    net: int
    sendable: bool = False
    sent: bool = False
    sent_at: int | None = None
    paid: bool = False
    paid_at: int | None = None
    fail_fast: bool = False
    split_transfer: bool = False
    failure_code: str | None = None
    failure_message: str | None = None
    transactions: list[str] = []
    schedule: None = None
    deleted: bool = False
    metadata: Metadata = {}
    idemp_key: str | None = None

    def wire(self) -> Wire:
        return {**super().wire(), "bank_account": self.bank_account.wire()}
