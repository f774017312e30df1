"""Payment methods, payment intents, charges and refunds, and the parameters they take."""

from typing import Annotated, ClassVar, Literal

from pydantic import AliasChoices, Field, JsonValue

from tillhouse.sandbox.stripe.schemas import (
    Currency,
    Entity,
    ListQuery,
    Metadata,
    MetadataBody,
    Minor,
    Params,
    Part,
    Wire,
)

MethodType = Literal["card", "promptpay", "us_bank_account"]
IntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
]


# --- payment methods ------------------------------------------------------------------------------------------------


class Address(Part):
    """A postal address."""

    city: str | None = None
    country: str | None = None
    line1: str | None = None
    line2: str | None = None
    postal_code: str | None = None
    state: str | None = None


class BillingDetails(Part):
    """Who pays."""

    address: Address = Address()
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    tax_id: str | None = None


class PaymentMethod(Entity):
    """What someone pays with; the card's number stays in the sandbox. `set_up`: its bank agreed to later charges."""

    kind: ClassVar[str] = "stripe_payment_method"
    noun: ClassVar[str] = "PaymentMethod"
    private: ClassVar[frozenset[str]] = frozenset({"number", "set_up", "used_up"})

    object: Literal["payment_method"] = "payment_method"
    billing_details: BillingDetails = BillingDetails()
    customer: str | None = None
    livemode: Literal[False] = False
    type: MethodType = "card"
    number: str = ""
    set_up: bool = False
    used_up: bool = False
    card: dict[str, JsonValue] | None = None

    def details(self) -> Wire:
        """What a charge says of it as `payment_method_details`."""
        return {"type": self.type, self.type: self.card or {}}

    def wire(self) -> Wire:
        document = super().wire()
        document[self.type] = document.pop("card") or {}
        return document


class CardBody(Part):
    """A card as it is sent."""

    number: str
    exp_month: int
    exp_year: int
    cvc: str | None = None


class MethodData(Part):
    """`payment_method_data`: a payment method made in passing."""

    type: MethodType
    card: CardBody | None = None
    billing_details: BillingDetails = BillingDetails()


class MethodBody(Params, MethodData):
    """Body of `POST /payment_methods`."""

    metadata: Metadata = {}
    customer: str | None = None


class AttachBody(Params):
    """Body of `POST /payment_methods/{id}/attach`."""

    customer: str


# --- payment intents ------------------------------------------------------------------------------------------------


class AutomaticMethods(Part):
    """Payment methods as the dashboard enables them."""

    enabled: bool
    allow_redirects: Literal["always", "never"] = "always"


CaptureMethod = Literal["automatic", "automatic_async", "manual"]
# The pinned version says `allowed_…`, older ones (and the objects of all) say `payment_method_types`.
MethodTypes = Annotated[
    list[MethodType] | None,
    Field(validation_alias=AliasChoices("payment_method_types", "allowed_payment_method_types")),
]
CancellationReason = Literal["duplicate", "fraudulent", "requested_by_customer", "abandoned"]


class IntentFields(Params):
    """What can be said of an intent when it is made, changed or confirmed."""

    payment_method: str | None = None
    payment_method_data: MethodData | None = None
    payment_method_types: MethodTypes = None
    receipt_email: str | None = None
    setup_future_usage: Literal["on_session", "off_session", ""] | None = None
    shipping: dict[str, JsonValue] | None = None


class ConfirmBody(IntentFields):
    """Body of `POST /payment_intents/{id}/confirm`."""

    return_url: str | None = None
    off_session: bool = False
    error_on_requires_action: bool = False
    use_stripe_sdk: bool = False


class IntentUpdate(IntentFields):
    """Body of `POST /payment_intents/{id}`."""

    amount: Minor | None = None
    currency: Currency | None = None
    customer: str | None = None
    description: str | None = None
    metadata: Metadata = {}
    statement_descriptor: Annotated[str, Field(max_length=22)] | None = None
    statement_descriptor_suffix: Annotated[str, Field(max_length=22)] | None = None
    transfer_group: str | None = None


class IntentBody(ConfirmBody, IntentUpdate):
    """Body of `POST /payment_intents`."""

    amount: Minor
    currency: Currency
    confirm: bool = False
    capture_method: CaptureMethod = "automatic_async"
    confirmation_method: Literal["automatic", "manual"] = "automatic"
    automatic_payment_methods: AutomaticMethods | None = None


class CaptureBody(Params):
    """Body of `POST /payment_intents/{id}/capture`."""

    amount_to_capture: Annotated[int, Field(ge=1)] | None = None
    final_capture: bool = True
    metadata: Metadata = {}
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None


class CancelBody(Params):
    """Body of `POST /payment_intents/{id}/cancel`."""

    cancellation_reason: CancellationReason | None = None


class IntentQuery(ListQuery):
    """Filters of the list of intents."""

    customer: str | None = None


class PaymentIntent(Entity):
    """An intent to collect money, and how far it got. `base` is the sandbox's own address, for links to its pages."""

    kind: ClassVar[str] = "stripe_payment_intent"
    noun: ClassVar[str] = "payment_intent"
    private: ClassVar[frozenset[str]] = frozenset({"base", "return_url", "session"})

    object: Literal["payment_intent"] = "payment_intent"
    amount: int
    amount_capturable: int = 0
    amount_received: int = 0
    application: None = None
    application_fee_amount: None = None
    automatic_payment_methods: AutomaticMethods | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    capture_method: CaptureMethod
    client_secret: str
    confirmation_method: Literal["automatic", "manual"] = "automatic"
    currency: str
    customer: str | None = None
    description: str | None = None
    last_payment_error: dict[str, JsonValue] | None = None
    latest_charge: str | None = None
    livemode: Literal[False] = False
    next_action: dict[str, JsonValue] | None = None
    on_behalf_of: None = None
    payment_method: str | None = None
    payment_method_options: dict[str, JsonValue] = {}
    payment_method_types: list[MethodType]
    processing: dict[str, JsonValue] | None = None
    receipt_email: str | None = None
    review: None = None
    setup_future_usage: str | None = None
    shipping: dict[str, JsonValue] | None = None
    source: None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    status: IntentStatus = "requires_payment_method"
    transfer_data: None = None
    transfer_group: str | None = None

    base: str
    return_url: str | None = None
    session: str | None = None


# --- charges --------------------------------------------------------------------------------------------------------


class Charge(Entity):
    """One try at taking the money."""

    kind: ClassVar[str] = "stripe_charge"
    noun: ClassVar[str] = "charge"
    private: ClassVar[frozenset[str]] = frozenset({"number"})

    object: Literal["charge"] = "charge"
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    application: None = None
    application_fee: None = None
    application_fee_amount: None = None
    balance_transaction: str | None = None
    billing_details: BillingDetails = BillingDetails()
    calculated_statement_descriptor: str | None = None
    captured: bool = False
    currency: str
    customer: str | None = None
    description: str | None = None
    disputed: bool = False
    failure_balance_transaction: None = None
    failure_code: str | None = None
    failure_message: str | None = None
    fraud_details: dict[str, JsonValue] = {}
    livemode: Literal[False] = False
    on_behalf_of: None = None
    outcome: dict[str, JsonValue] | None = None
    paid: bool = False
    payment_intent: str | None = None
    payment_method: str | None = None
    payment_method_details: dict[str, JsonValue] | None = None
    receipt_email: str | None = None
    receipt_number: None = None
    receipt_url: str | None = None
    refunded: bool = False
    review: None = None
    shipping: dict[str, JsonValue] | None = None
    source_transfer: str | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    status: Literal["succeeded", "pending", "failed"] = "pending"
    transfer_data: None = None
    transfer_group: str | None = None

    number: str = ""


class ChargeQuery(ListQuery):
    """Filters of the list of charges."""

    customer: str | None = None
    payment_intent: str | None = None
    transfer_group: str | None = None


class ChargeUpdate(MetadataBody):
    """Body of `POST /charges/{id}`."""

    description: str | None = None
    receipt_email: str | None = None


# --- refunds --------------------------------------------------------------------------------------------------------

RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]


class RefundBody(Params):
    """Body of `POST /refunds`."""

    charge: str | None = None
    payment_intent: str | None = None
    amount: Annotated[int, Field(ge=1)] | None = None
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    metadata: Metadata = {}
    instructions_email: str | None = None


class Refund(Entity):
    """Money given back."""

    kind: ClassVar[str] = "stripe_refund"
    noun: ClassVar[str] = "refund"
    private: ClassVar[frozenset[str]] = frozenset({"fate"})

    object: Literal["refund"] = "refund"
    amount: int
    balance_transaction: str | None = None
    charge: str
    currency: str
    destination_details: dict[str, JsonValue] | None = None
    failure_balance_transaction: str | None = None
    failure_reason: str | None = None
    instructions_email: str | None = None
    next_action: dict[str, JsonValue] | None = None
    payment_intent: str | None = None
    pending_reason: str | None = None
    reason: str | None = None
    receipt_number: None = None
    source_transfer_reversal: None = None
    status: RefundStatus
    transfer_reversal: None = None

    fate: Literal["succeeds", "fails"] = "succeeds"


class RefundQuery(ListQuery):
    """Filters of the list of refunds."""

    charge: str | None = None
    payment_intent: str | None = None
