"""Checkout sessions as they are stored and answered, and the parameters they take."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from tillhouse.sandbox.stripe.payment_schemas import CaptureMethod, MethodType, MethodTypes
from tillhouse.sandbox.stripe.schemas import Currency, Entity, ListQuery, Metadata, Minor, Params, Part, Wire

_PLACEHOLDER = "{CHECKOUT_SESSION_ID}"


class ProductData(Part):
    """What is bought."""

    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    images: list[str] = []
    metadata: Metadata = {}
    tax_code: str | None = None


class PriceData(Part):
    """What one costs."""

    currency: Currency
    unit_amount: Minor
    product_data: ProductData
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] | None = None


class LineItemBody(Part):
    """One line of the cart, as it is sent."""

    price_data: PriceData | None = None
    price: str | None = None
    quantity: Annotated[int, Field(ge=1)] = 1
    adjustable_quantity: dict[str, JsonValue] | None = None
    metadata: Metadata = {}


class IntentData(Part):
    """`payment_intent_data`: what the session's intent is told."""

    capture_method: CaptureMethod = "automatic_async"
    description: str | None = None
    metadata: Metadata = {}
    receipt_email: str | None = None
    setup_future_usage: Literal["on_session", "off_session"] | None = None
    statement_descriptor: str | None = None
    statement_descriptor_suffix: str | None = None
    transfer_group: str | None = None


class SetupData(Part):
    """`setup_intent_data`: what the session's setup intent is told."""

    description: str | None = None
    metadata: Metadata = {}


class SessionBody(Params):
    """Body of `POST /checkout/sessions`."""

    mode: Literal["payment", "setup", "subscription"] = "payment"
    line_items: list[LineItemBody] = []
    success_url: str | None = None
    cancel_url: str | None = None
    return_url: str | None = None
    ui_mode: Literal["hosted_page", "hosted", "embedded_page", "embedded", "elements", "custom", "form"] = "hosted_page"
    client_reference_id: Annotated[str, Field(max_length=200)] | None = None
    currency: Currency | None = None
    customer: str | None = None
    customer_email: str | None = None
    customer_creation: Literal["always", "if_required"] = "if_required"
    metadata: Metadata = {}
    payment_intent_data: IntentData = IntentData()
    setup_intent_data: SetupData = SetupData()
    payment_method_types: MethodTypes = None
    expires_at: int | None = None
    locale: str | None = None
    submit_type: Literal["auto", "book", "donate", "pay", "subscribe"] | None = None
    allow_promotion_codes: bool | None = None
    billing_address_collection: Literal["auto", "required"] | None = None
    phone_number_collection: dict[str, bool] | None = None
    automatic_tax: dict[str, bool] | None = None


class LineItem(Part):
    """One line of the cart."""

    id: str
    description: str
    unit_amount: int
    quantity: int
    currency: str
    metadata: dict[str, str] = {}

    def wire(self) -> Wire:
        total = self.unit_amount * self.quantity
        price_id = f"price_{self.id[3:]}"
        price: Wire = {
            "id": price_id,
            "object": "price",
            "active": False,
            "currency": self.currency,
            "product": f"prod_{self.id[3:17]}",
            "type": "one_time",
            "unit_amount": self.unit_amount,
            "unit_amount_decimal": str(self.unit_amount),
        }
        return {
            "id": self.id,
            "object": "item",
            "amount_discount": 0,
            "amount_subtotal": total,
            "amount_tax": 0,
            "amount_total": total,
            "currency": self.currency,
            "description": self.description,
            "metadata": dict(self.metadata),
            "price": price,
            "quantity": self.quantity,
        }


class Session(Entity):
    """A visit to the hosted page. Its intent is made when the person first tries to pay."""

    kind: ClassVar[str] = "stripe_checkout_session"
    noun: ClassVar[str] = "checkout.session"
    private: ClassVar[frozenset[str]] = frozenset({"items", "intent_data", "base", "page"})

    object: Literal["checkout.session"] = "checkout.session"
    allow_promotion_codes: bool | None = None
    amount_subtotal: int | None
    amount_total: int | None
    automatic_tax: dict[str, JsonValue] = {"enabled": False, "liability": None, "provider": None, "status": None}
    billing_address_collection: str | None = None
    cancel_url: str | None = None
    client_reference_id: str | None = None
    client_secret: None = None
    currency: str | None
    custom_fields: list[JsonValue] = []
    custom_text: dict[str, JsonValue] = {}
    customer: str | None = None
    customer_creation: str | None = None
    customer_details: dict[str, JsonValue] | None = None
    customer_email: str | None = None
    expires_at: int
    invoice: None = None
    livemode: Literal[False] = False
    locale: str | None = None
    mode: Literal["payment", "setup"] = "payment"
    payment_intent: str | None = None
    payment_link: None = None
    payment_method_collection: Literal["if_required"] = "if_required"
    payment_method_types: list[MethodType]
    payment_status: Literal["paid", "unpaid", "no_payment_required"] = "unpaid"
    phone_number_collection: dict[str, bool] = {"enabled": False}
    recovered_from: None = None
    return_url: None = None
    setup_intent: str | None = None
    shipping_cost: None = None
    shipping_options: list[JsonValue] = []
    status: Literal["open", "complete", "expired"] = "open"
    submit_type: str | None = None
    subscription: None = None
    success_url: str
    total_details: dict[str, int] = {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0}
    ui_mode: Literal["hosted_page", "hosted"]
    url: str | None

    items: list[LineItem]
    intent_data: IntentData
    base: str
    page: str

    def after_paying(self) -> str:
        """Where the person goes next, with the session's id in its place."""
        return self.success_url.replace(_PLACEHOLDER, self.id)


class SessionQuery(ListQuery):
    """Filters of the list of sessions."""

    payment_intent: str | None = None
    customer: str | None = None
    status: Literal["open", "complete", "expired"] | None = None


class ItemsQuery(ListQuery):
    """What the list of line items takes."""
