"""Razorpay's objects as they are stored and as they go over the wire, and the bodies it accepts."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainSerializer, StrictInt

from tillhouse.sandbox.store import Record


def _no_notes_as_list(value: object) -> object:
    return {} if value == [] or value is None else value


# An empty `notes` object goes over the wire as an empty array; both are accepted.
Notes = Annotated[
    dict[Annotated[str, Field(max_length=256)], Annotated[str, Field(max_length=256)]],
    Field(max_length=15),
    BeforeValidator(_no_notes_as_list),
    PlainSerializer(lambda notes: notes or []),
]
Paise = Annotated[StrictInt, Field(ge=100)]
Reference = Annotated[str, Field(max_length=40)]
Wire = dict[str, JsonValue]
_LATEST = 4_102_444_800  # 1 January 2100


class Entity(Record):
    """An object of Razorpay's. Fields named in `private` are the sandbox's own and never leave it."""

    private: ClassVar[frozenset[str]] = frozenset()

    def wire(self) -> Wire:
        """The object as the API answers it."""
        document: Wire = self.model_dump(mode="json", exclude=set(self.private))
        return document


class Body(BaseModel):
    """A request body: unknown fields are refused, as Razorpay does."""

    model_config = ConfigDict(extra="forbid")


class NotesBody(Body):
    """Body of PATCH on orders, payments and refunds."""

    notes: Notes


class ListQuery(BaseModel):
    """`from`, `to` (unix seconds), `count`, `skip`: every collection takes them."""

    since: int | None = Field(None, alias="from", ge=0, le=_LATEST)
    until: int | None = Field(None, alias="to", ge=0, le=_LATEST)
    count: int = Field(10, ge=1, le=100)
    skip: int = Field(0, ge=0, le=1_000_000)


def collection(items: list[Wire]) -> Wire:
    """Razorpay's envelope of a list."""
    return {"entity": "collection", "count": len(items), "items": list(items)}


# --- orders ---------------------------------------------------------------------------------------------------------


class CaptureOptions(Body):
    """How long Razorpay waits for a capture, in minutes."""

    automatic_expiry_period: int | None = Field(None, ge=12)
    manual_expiry_period: int = Field(7200, ge=12, le=7200)
    refund_speed: Literal["normal", "optimum"] = "normal"


class CaptureRule(Body):
    """Whether payments of an order are captured by themselves."""

    capture: Literal["automatic", "manual"]
    capture_options: CaptureOptions = CaptureOptions()


class Mandate(Body):
    """What an order's payer is asked to agree to besides: to be charged later. `max_amount` in paise."""

    max_amount: Annotated[int, Field(ge=100, le=99_999_00)]
    expire_at: Annotated[int, Field(ge=0, le=_LATEST)]
    frequency: Literal[
        "daily", "weekly", "fortnightly", "bimonthly", "monthly", "quarterly", "half_yearly", "yearly", "as_presented"
    ]
    recurring_value: int | None = None
    recurring_type: Literal["on", "before", "after"] | None = None


class OrderBody(Body):
    """Body of `POST /orders`."""

    amount: Paise
    currency: str
    receipt: Reference | None = None
    notes: Notes = {}
    partial_payment: bool = False
    payment: CaptureRule | None = None
    payment_capture: bool | None = None  # the older way to ask for automatic capture; the SDKs still send it
    customer_id: str | None = None
    method: Literal["card", "upi"] | None = None
    token: Mandate | None = None


class Order(Entity):
    """An order."""

    kind: ClassVar[str] = "order"
    private: ClassVar[frozenset[str]] = frozenset({"rule", "partial_payment", "link_id", "mandate"})

    entity: Literal["order"] = "order"
    amount: int
    amount_paid: int = 0
    amount_due: int
    currency: str
    receipt: str | None
    offer_id: str | None = None
    status: Literal["created", "attempted", "paid"] = "created"
    attempts: int = 0
    notes: Notes = {}
    rule: CaptureRule
    partial_payment: bool = False
    link_id: str | None = None
    customer_id: str | None = None
    method: Literal["card", "upi"] | None = None
    mandate: Mandate | None = None

    def wire(self) -> Wire:
        document = super().wire()
        for absent in ("customer_id", "method"):
            if document[absent] is None:
                del document[absent]
        return document


# --- payments -------------------------------------------------------------------------------------------------------

PaymentStatus = Literal["created", "authorized", "captured", "refunded", "failed"]
Method = Literal["card", "netbanking", "wallet", "emi", "upi"]


class Card(BaseModel):
    """The card of a payment, without its number."""

    id: str
    entity: Literal["card"] = "card"
    name: str = ""
    last4: str
    network: str
    type: Literal["credit", "debit"] = "credit"
    issuer: str | None = None
    international: bool = False
    emi: bool = False


class Upi(BaseModel):
    """The UPI side of a payment."""

    payer_account_type: str = "bank_account"
    vpa: str
    flow: str = "collect"


class CaptureBody(Body):
    """Body of `POST /payments/{id}/capture`."""

    amount: StrictInt
    currency: str = "INR"


class Payment(Entity):
    """A payment."""

    kind: ClassVar[str] = "payment"
    private: ClassVar[frozenset[str]] = frozenset({"auto_refunded", "captured_at", "qr_code_id"})

    entity: Literal["payment"] = "payment"
    amount: int
    currency: str
    status: PaymentStatus
    order_id: str | None  # a payment of a QR code has none
    invoice_id: str | None = None
    international: bool = False
    method: Method
    amount_refunded: int = 0
    refund_status: Literal["partial", "full"] | None = None
    captured: bool = False
    description: str | None = None
    card_id: str | None = None
    card: Card | None = None
    bank: str | None = None
    wallet: str | None = None
    vpa: str | None = None
    email: str = "payer@tillhouse.test"
    contact: str = "+919000090000"
    customer_id: str | None = None
    token_id: str | None = None
    notes: Notes = {}
    fee: int | None = None
    tax: int | None = None
    error_code: str | None = None
    error_description: str | None = None
    error_source: str | None = None
    error_step: str | None = None
    error_reason: str | None = None
    acquirer_data: dict[str, str | None] = {}
    upi: Upi | None = None
    auto_refunded: bool = False
    captured_at: int | None = None
    qr_code_id: str | None = None

    def wire(self) -> Wire:
        document = super().wire()
        for absent in ("card", "upi"):
            if document[absent] is None:
                del document[absent]
        return document


# --- refunds --------------------------------------------------------------------------------------------------------

Speed = Literal["normal", "optimum"]


class RefundBody(Body):
    """Body of `POST /payments/{id}/refund`."""

    amount: Paise | None = None
    speed: Speed = "normal"
    notes: Notes = {}
    receipt: Reference | None = None


class Refund(Entity):
    """A refund."""

    kind: ClassVar[str] = "refund"

    entity: Literal["refund"] = "refund"
    amount: int
    currency: str
    payment_id: str
    notes: Notes = {}
    receipt: str | None = None
    acquirer_data: dict[str, str | None] = {"arn": None}
    batch_id: str | None = None
    status: Literal["pending", "processed", "failed"]
    speed_requested: Speed
    speed_processed: Literal["normal", "instant"] = "normal"


class UsedKey(Record):
    """An idempotency key and what it made. `body_hash` is of the parsed body; nothing made yet: still in flight."""

    kind: ClassVar[str] = "used_key"

    body_hash: str
    made: str
