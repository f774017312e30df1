"""Omise's objects as they are stored and as they go over the wire, and the bodies it accepts."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.store import Record

Wire = dict[str, JsonValue]
Metadata = dict[str, JsonValue]
Satang = Annotated[int, Field(ge=1)]

DAY = 24 * 3600


def iso(seconds: int | None) -> str | None:
    """Unix seconds as Omise writes an instant."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id(prefix: str) -> str:
    """Omise's form: a prefix, the mode, 19 small letters and digits."""
    return f"{prefix}_test_{ids.token(19).lower()}"


class Entity(Record):
    """An object of Omise's. Instants are unix seconds in here and ISO 8601 on the wire; `private` fields stay."""

    noun: ClassVar[str]
    path: ClassVar[str]
    private: ClassVar[frozenset[str]] = frozenset()
    instants: ClassVar[frozenset[str]] = frozenset()

    def location(self) -> str:
        return f"/{self.path}/{self.id}"

    def wire(self) -> Wire:
        """The object as the API answers it."""
        document: Wire = {"object": self.noun, "id": self.id, "livemode": False, "location": self.location()}
        document.update(self.model_dump(mode="json", exclude={"id", "created_at", *self.private, *self.instants}))
        document.update({name: iso(getattr(self, name)) for name in self.instants})
        document["created_at"] = iso(self.created_at)
        return document


# --- cards, tokens, customers ---------------------------------------------------------------------------------------


class CardBody(BaseModel):
    """A card's details as Omise.js sends them."""

    name: str = Field(min_length=1)
    number: str
    expiration_month: int = Field(ge=1, le=12)
    expiration_year: int
    security_code: str | int | None = None
    city: str | None = None
    postal_code: str | int | None = None
    country: str | None = None


class TokenBody(BaseModel):
    """Body of `POST /tokens`."""

    card: CardBody


class Card(Entity):
    """A card without its number; `refusal` is what its test number brings about."""

    kind: ClassVar[str] = "omise_card"
    noun: ClassVar[str] = "card"
    path: ClassVar[str] = "cards"
    private: ClassVar[frozenset[str]] = frozenset({"refusal", "customer"})

    name: str
    brand: str
    last_digits: str
    first_digits: str | None = None
    bank: str = "JPMORGAN CHASE BANK, N.A."
    financing: str = "credit"
    country: str | None = "us"
    city: str | None = None
    postal_code: str | None = None
    expiration_month: int
    expiration_year: int
    fingerprint: str
    security_code_check: bool = True
    deleted: bool = False
    refusal: str | None = None
    customer: str | None = None

    def location(self) -> str:
        return f"/customers/{self.customer}/cards/{self.id}" if self.customer else f"/cards/{self.id}"


class Token(Entity):
    """A card for one use."""

    kind: ClassVar[str] = "omise_token"
    noun: ClassVar[str] = "token"
    path: ClassVar[str] = "tokens"

    used: bool = False
    charge_status: str = "unknown"
    card_id: str
    private: ClassVar[frozenset[str]] = frozenset({"card_id"})


class CustomerBody(BaseModel):
    """Body of `POST` and `PATCH /customers`; `card` is a token."""

    email: str | None = None
    description: str | None = None
    card: str | None = None
    default_card: str | None = None
    metadata: Metadata | None = None


class Customer(Entity):
    """A payer who is remembered."""

    kind: ClassVar[str] = "omise_customer"
    noun: ClassVar[str] = "customer"
    path: ClassVar[str] = "customers"

    email: str | None = None
    description: str | None = None
    default_card: str | None = None
    metadata: Metadata = {}
    deleted: bool = False


# --- sources and charges --------------------------------------------------------------------------------------------


class SourceBody(BaseModel):
    """Body of `POST /sources`, and `source` inside a charge."""

    type: str
    amount: Satang | None = None
    currency: str | None = None
    phone_number: str | None = None
    email: str | None = None
    name: str | None = None


class Source(Entity):
    """A way to pay other than a card."""

    kind: ClassVar[str] = "omise_source"
    noun: ClassVar[str] = "source"
    path: ClassVar[str] = "sources"
    private: ClassVar[frozenset[str]] = frozenset({"used"})

    type: str
    flow: Literal["offline", "redirect"]
    amount: int
    currency: str
    charge_status: str = "unknown"
    phone_number: str | None = None
    email: str | None = None
    name: str | None = None
    references: None = None
    scannable_code: dict[str, JsonValue] | None = None
    used: bool = False


class ChargeBody(BaseModel):
    """Body of `POST /charges`."""

    amount: Satang
    currency: str
    card: str | None = None
    customer: str | None = None
    source: str | SourceBody | None = None
    capture: bool = True
    description: str | None = None
    metadata: Metadata = {}
    return_uri: str | None = None
    expires_at: datetime | None = None
    webhook_endpoints: list[str] = []
    ip: str | None = None


class ChargePatch(BaseModel):
    """Body of `PATCH /charges/{id}`."""

    description: str | None = None
    metadata: Metadata | None = None


class CaptureBody(BaseModel):
    """Body of `POST /charges/{id}/capture`."""

    capture_amount: Satang | None = None


ChargeStatus = Literal["pending", "successful", "failed", "expired", "reversed"]


class Charge(Entity):
    """A charge as it is stored; `charges.wire` adds what follows from it."""

    kind: ClassVar[str] = "omise_charge"
    noun: ClassVar[str] = "charge"
    path: ClassVar[str] = "charges"
    private: ClassVar[frozenset[str]] = frozenset({"source_id", "card_id", "download_token", "qr_payload", "base"})
    instants: ClassVar[frozenset[str]] = frozenset({"expires_at", "expired_at", "paid_at", "reversed_at"})

    status: ChargeStatus = "pending"
    amount: int
    authorized_amount: int = 0
    captured_amount: int = 0
    net: int
    fee: int
    fee_vat: int
    interest: int = 0
    interest_vat: int = 0
    funding_amount: int
    funding_currency: str
    refunded_amount: int = 0
    currency: str
    ip: str | None = None
    link: None = None
    description: str | None = None
    metadata: Metadata = {}
    schedule: None = None
    customer: str | None = None
    dispute: str | None = None
    transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    authorize_uri: str | None = None
    return_uri: str | None = None
    authorized: bool = False
    paid: bool = False
    capture: bool = True
    voided: bool = False
    webhook_endpoints: list[str] = []
    expires_at: int
    expired_at: int | None = None
    paid_at: int | None = None
    reversed_at: int | None = None
    source_id: str | None = None
    card_id: str | None = None
    download_token: str = ""
    qr_payload: str = ""
    base: str = ""

    @property
    def capturable(self) -> bool:
        """Authorised and waiting to be captured."""
        return self.status == "pending" and self.authorized and not self.capture

    @property
    def refundable(self) -> int:
        """Satang that can still be given back."""
        return self.captured_amount - self.refunded_amount if self.paid else 0


class RefundBody(BaseModel):
    """Body of `POST /charges/{id}/refunds`."""

    amount: Satang
    metadata: Metadata = {}
    void: bool | None = None


class Refund(Entity):
    """Money given back."""

    kind: ClassVar[str] = "omise_refund"
    noun: ClassVar[str] = "refund"
    path: ClassVar[str] = "refunds"

    amount: int
    currency: str
    funding_amount: int
    funding_currency: str
    charge: str
    transaction: str | None = None
    voided: bool
    status: Literal["closed"] = "closed"
    metadata: Metadata = {}

    def location(self) -> str:
        return f"/charges/{self.charge}/refunds/{self.id}"


class DisputePatch(BaseModel):
    """Body of `PATCH /disputes/{id}`."""

    message: str | None = None
    metadata: Metadata | None = None


class Dispute(Entity):
    """A payer who asks their bank for the money back."""

    kind: ClassVar[str] = "omise_dispute"
    noun: ClassVar[str] = "dispute"
    path: ClassVar[str] = "disputes"
    private: ClassVar[frozenset[str]] = frozenset({"phase"})
    instants: ClassVar[frozenset[str]] = frozenset({"closed_at"})

    amount: int
    currency: str
    funding_amount: int
    funding_currency: str
    charge: str
    status: Literal["open", "pending", "won", "lost"] = "open"
    reason_code: str = "goods_or_services_not_provided"
    reason_message: str = "Services not provided or Merchandise not received"
    message: str | None = None
    metadata: Metadata = {}
    closed_at: int | None = None
    phase: Literal["open", "pending", "closed"] = "open"


# --- balance and events ---------------------------------------------------------------------------------------------


class Account(Record):
    """What is on the Omise account, in satang. There is one."""

    kind: ClassVar[str] = "omise_account"

    amount: int


class Transaction(Entity):
    """One movement of the balance. `key` and `origin` are Omise's names; the values of `key` are the sandbox's."""

    kind: ClassVar[str] = "omise_transaction"
    noun: ClassVar[str] = "transaction"
    path: ClassVar[str] = "transactions"
    instants: ClassVar[frozenset[str]] = frozenset({"transferable_at"})

    amount: int
    currency: str = "THB"
    direction: Literal["credit", "debit"]
    key: str
    origin: str
    transferable_at: int


class Event(Entity):
    """Something that happened to an object, which stands in `data` as it was then."""

    kind: ClassVar[str] = "omise_event"
    noun: ClassVar[str] = "event"
    path: ClassVar[str] = "events"
    private: ClassVar[frozenset[str]] = frozenset({"subject"})

    key: str
    data: dict[str, JsonValue]
    subject: str
