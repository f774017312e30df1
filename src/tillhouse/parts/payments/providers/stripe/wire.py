"""Stripe's objects as they are on the wire: only what we read. Amounts are minor units, currencies lower case."""

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel

from tillhouse.kernel.money import Money

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    has_more: bool = False


class Priced(BaseModel):
    """Anything with an amount."""

    id: str
    amount: int
    currency: str

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency.upper())


class FeeDetail(BaseModel):
    """One part of a fee."""

    amount: int
    type: str


class SourceRef(BaseModel):
    """What a balance transaction came from, as far as it leads to a payment, or (a reversal) to a transfer."""

    id: str
    object: str = ""
    payment_intent: str | None = None
    transfer: str | None = None


class BalanceTransactionWire(Priced):
    """A movement of Stripe's balance: `amount` − `fee` reaches us."""

    fee: int
    type: str
    fee_details: list[FeeDetail] = []
    source: str | SourceRef | None = None

    @property
    def tax(self) -> int:
        return sum(part.amount for part in self.fee_details if part.type == "tax")


class PaymentMethodDetails(BaseModel):
    """How it was paid."""

    type: str = ""


class ChargeWire(Priced):
    """A charge, with its balance transaction when that was asked for."""

    amount_refunded: int = 0
    balance_transaction: str | BalanceTransactionWire | None = None
    payment_method_details: PaymentMethodDetails | None = None


class StripeError(BaseModel):
    """Why something was refused."""

    code: str | None = None
    decline_code: str | None = None
    message: str | None = None
    type: str | None = None


class PromptpayCode(BaseModel):
    """A PromptPay code to be scanned."""

    data: str
    image_url_png: str | None = None


class NextAction(BaseModel):
    """What the payer has to do next."""

    type: str
    promptpay_display_qr_code: PromptpayCode | None = None


class CardWire(BaseModel):
    """A card, as far as it may be shown."""

    brand: str = ""
    last4: str
    exp_month: int
    exp_year: int


class PaymentMethodWire(BaseModel):
    """What is paid with. `customer`: whom it is kept for."""

    id: str
    customer: str | None = None
    card: CardWire | None = None


class SetupIntentWire(BaseModel):
    """What is to be kept without being charged now."""

    id: str
    status: str
    payment_method: str | PaymentMethodWire | None = None


class DeletedWire(BaseModel):
    """Something is gone."""

    id: str
    deleted: bool


class PaymentIntentWire(Priced):
    """A payment, whatever number of tries it takes."""

    status: Literal[
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
        "processing",
        "requires_capture",
        "canceled",
        "succeeded",
    ]
    last_payment_error: StripeError | None = None
    latest_charge: str | ChargeWire | None = None
    next_action: NextAction | None = None
    metadata: dict[str, str] = {}
    payment_method: str | PaymentMethodWire | None = None


class SessionWire(BaseModel):
    """A hosted checkout."""

    id: str
    url: str | None = None
    status: Literal["open", "complete", "expired"]
    payment_intent: str | PaymentIntentWire | None = None
    setup_intent: str | SetupIntentWire | None = None


class RefundWire(Priced):
    """A refund."""

    status: Literal["pending", "requires_action", "succeeded", "failed", "canceled"]
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] = {}


class EvidenceDetails(BaseModel):
    """Until when to answer, in unix seconds."""

    due_by: int | None = None


class DisputeWire(Priced):
    """A dispute. An inquiry (`warning_…`) has not moved money."""

    status: Literal[
        "warning_needs_response",
        "warning_under_review",
        "warning_closed",
        "needs_response",
        "under_review",
        "won",
        "lost",
        "prevented",
    ]
    reason: str = ""
    payment_intent: str | None = None
    balance_transactions: list[BalanceTransactionWire] = []
    evidence_details: EvidenceDetails | None = None


class TransferWire(Priced):
    """Money moved to a connected account."""

    amount_reversed: int = 0
    transfer_group: str | None = None


class PayoutWire(Priced):
    """What Stripe sent to our bank."""

    arrival_date: int
    trace_id: dict[str, str | None] | None = None


class EventObject(BaseModel):
    """What an event is about."""

    id: str
    object: str
    payment_intent: str | None = None
    amount: int | None = None
    amount_total: int | None = None
    currency: str | None = None
    transfer_group: str | None = None
    client_reference_id: str | None = None
    mode: str | None = None
    metadata: dict[str, str] | None = None


class EventData(BaseModel):
    """The envelope's inside."""

    object: EventObject


class EventWire(BaseModel):
    """A webhook."""

    id: str
    type: str
    data: EventData
