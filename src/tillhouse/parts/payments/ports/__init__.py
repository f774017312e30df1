"""What payments need of the outside: gateways that take money, providers that pay it out, purposes.

Every call that reaches a provider raises `NotSent` (no effect), `OutcomeUnknown` (nobody knows), `Refused` (final) or
`KeyRefused` (no effect, and it is we who have to mend something).
None may be made while a transaction is open.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar, Literal, Protocol
from uuid import UUID

from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError, Forbidden, TransientError
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import (
    Destination,
    DisputeFacts,
    Offer,
    PaymentFacts,
    PayoutFacts,
    RefundFacts,
    TransferFacts,
)
from tillhouse.parts.payments.ports.cards import CardScript, CardSetup, SavedCards
from tillhouse.parts.payments.ports.orders import (
    Checkout,
    CheckoutForm,
    CheckoutQr,
    CheckoutRedirect,
    CheckoutScript,
    GatewayOrder,
    OrderRequest,
)

__all__ = [
    "AccountChecks",
    "AccountFacts",
    "BadSignature",
    "CardScript",
    "CardSetup",
    "Checkout",
    "CheckoutForm",
    "CheckoutProofs",
    "CheckoutQr",
    "CheckoutRedirect",
    "CheckoutScript",
    "Disputes",
    "EventSource",
    "Gateway",
    "GatewayOrder",
    "InstalledGateway",
    "InstalledPayoutGateway",
    "KeyRefused",
    "Offer",
    "OnRefund",
    "OnSettled",
    "OrderRequest",
    "Payee",
    "PayoutGateway",
    "ProviderEvent",
    "Purpose",
    "Refunds",
    "Refused",
    "SavedCards",
    "SettledPayment",
    "SettlementLine",
    "SettlementReports",
    "Transfers",
]

_LONGEST_ID = 255  # characters: what an index holds, and several times what any provider's ids have


class Refused(DomainError):
    """The provider understood and said no: the call had no effect and never will have. `reason` is its own code."""

    code = "provider_refused"
    status = 422

    def __init__(self, message: str, *, reason: str, description: str, provider: str) -> None:
        super().__init__(message, provider=provider, description=description)
        self.reason = reason
        self.description = description


class KeyRefused(TransientError):
    """The provider does not take our key, or not for this: no effect, and nothing is wrong with what was asked."""

    code = "provider_key_refused"

    def __init__(self, provider: str) -> None:
        super().__init__(N_("{provider} does not accept our account's key. Nothing was lost."), provider=provider)
        self.provider = provider


class BadSignature(Forbidden):
    """What claims to come from a provider does not."""

    code = "bad_signature"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderEvent:
    """An event whose signature was right. What it says is a hint: the truth is asked of the provider.

    It is about exactly one thing: a payment or order, a payout, a refund, a dispute, a bank transfer, the check of an
    account, or an authorisation that its holder changed (a saved card's `method`). Refunds and disputes name their
    payment too. `receipt` is ours, for gateways whose payments do not name their order. `amount` is
    the payment's or payout's whole amount, when the event is about one.
    """

    event_id: str
    name: str
    payment_id: str | None = None
    order_id: str | None = None
    receipt: str | None = None
    payout_id: str | None = None
    payout_reference: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    transfer_id: str | None = None
    check_id: str | None = None
    authorisation_id: str | None = None
    amount: Money | None = None

    @property
    def plausible(self) -> bool:
        """Whether this can be stored and looked up. Signed or not: an id that is a page long, or a sum that no account
        could hold, is nothing that a provider tells.
        """
        said = (
            self.event_id, self.name, self.payment_id, self.order_id, self.receipt, self.payout_id,
            self.payout_reference, self.refund_id, self.dispute_id, self.transfer_id, self.check_id,
            self.authorisation_id,
            self.amount.unit if self.amount is not None else None,
        )  # fmt: skip
        in_range = self.amount is None or abs(self.amount.minor) <= MAX_MINOR
        return in_range and all(len(one) <= _LONGEST_ID and "\0" not in one for one in said if one)


@dataclass(frozen=True, slots=True)
class Payee:
    """Whom a payout is for, as the provider should know them. `reference` is the same for all their payouts.

    The rest helps an adapter to find what its provider made for them before: `account_id` is what the provider called
    the account when it was asked about it, `paid_before` its id of an earlier payout there, `since` when we first knew
    of the account.
    """

    name: str
    reference: str
    account_id: str | None = None
    paid_before: str | None = None
    since: datetime | None = None


class EventSource(Protocol):
    """Reads what a provider sends us."""

    name: ClassVar[str]

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """Check the signature over the raw bytes, then read them. Raises `BadSignature`."""
        ...


class Gateway(EventSource, Protocol):
    """Takes money. Orders first, then payments for them."""

    @property
    def offers(self) -> Sequence[Offer]: ...

    async def create_order(self, order: OrderRequest) -> GatewayOrder:
        """Make an order. Where the gateway knows idempotency keys the receipt is the key.

        Not idempotent otherwise: ask `find_order` before a second try.
        """
        ...

    async def find_order(self, order: OrderRequest) -> GatewayOrder | None:
        """The gateway's order with our receipt, if it was ever made."""
        ...

    async def cancel_order(self, order_id: str) -> None:
        """See to it that an unpaid order can no longer be paid. Harmless for one that is paid or ended."""
        ...

    async def fetch_payment(self, payment_id: str, *, order_id: str | None = None) -> PaymentFacts:
        """One payment. `order_id` is our order that it is said to be for: where the gateway's payment does not name
        its order, the adapter finds out whether that is so. `order_id` of the facts is the gateway's word, or empty.
        """
        ...

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        """Every try at paying an order, newest first."""
        ...

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        """Take what was authorised. Raises `Refused` when it is captured already or can no longer be."""
        ...


class CheckoutProofs(Protocol):
    """A gateway whose checkout hands the browser signed fields."""

    public_key: str

    def checkout_fields(self, order_id: str, amount: Money) -> CheckoutScript:
        """The checkout of an order that was made before."""
        ...

    def verify_checkout(self, *, order_id: str, payment_id: str, signature: str) -> None:
        """Check what the browser brings back, against OUR order's id. Raises `BadSignature`."""
        ...


class Refunds(Protocol):
    """Gives captured money back the way it came."""

    async def refund(self, *, key: UUID, payment_id: str, amount: Money, email: str | None = None) -> RefundFacts:
        """Give back. The same `key` with the same details never gives back twice and answers the first one's state.
        An adapter whose gateway has no such key looks through `refunds_of` first.

        `email` is where the gateway asks the payer for a bank account; only what `refunds_by_email` names has one.
        """
        ...

    async def refunds_of(self, payment_id: str) -> list[RefundFacts]:
        """Every refund of a payment, whoever made it, oldest first. Ours have our key as their `reference`."""
        ...

    async def fetch_refund(self, *, refund_id: str, payment_id: str) -> RefundFacts: ...


class Disputes(Protocol):
    """Tells of payments that a payer's bank takes back."""

    async def fetch_dispute(self, dispute_id: str) -> DisputeFacts: ...


class Transfers(Protocol):
    """Tells of money on our bank account that names its order by a code."""

    async def fetch_transfer(self, transfer_id: str) -> TransferFacts: ...

    async def transfers_since(self, transfer_id: str | None) -> list[TransferFacts]:
        """Transfers after that one, oldest first, for what no event told us of."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """One line of what a gateway settled to our bank. `gross` is positive for money in our favour.

    `subject_id` is the provider's id of what it is about; `fee` includes `tax`. The gateway paid gross − fee. What came
    back of a payout (`payout`, positive) may come in parts: their subject is its id and, after a slash, the part's.
    """

    settlement_id: str
    line_id: str
    kind: Literal["payment", "refund", "dispute", "payout", "adjustment"]
    subject_id: str
    gross: Money
    fee: Money
    tax: Money
    settled_on: date
    bank_reference: str = ""


class SettlementReports(Protocol):
    """Tells what reached, or should reach, our bank."""

    async def settled_on(self, day: date) -> list[SettlementLine]:
        """Every line settled on that day of the provider's business calendar."""
        ...


class PayoutGateway(EventSource, Protocol):
    """Pays money out."""

    currencies: ClassVar[frozenset[str]]
    destinations: ClassVar[frozenset[str]]
    key_valid_hours: ClassVar[int]

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        """Pay out. The same `key` with the same details never pays twice and answers the first one's state."""
        ...

    async def find_payout(self, key: UUID, *, since: datetime | None = None) -> PayoutFacts | None:
        """The payout with our key as its reference, if it was ever made. At `since` it was sent for the first time."""
        ...

    async def fetch_payout(self, payout_id: str) -> PayoutFacts: ...


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What a bank says of an account. `registered_name` is whose it is, where the bank tells."""

    check_id: str
    state: Literal["pending", "valid", "invalid"]
    registered_name: str | None = None
    reason: str | None = None


class AccountChecks(Protocol):
    """Finds out whether a destination exists and whose it is, usually by sending the smallest amount there."""

    async def check_account(self, *, key: UUID, to: Destination, payee: Payee) -> AccountFacts:
        """Ask the bank. The same `key` asks once: an adapter whose provider has no such key looks before it asks."""
        ...

    async def fetch_check(self, check_id: str) -> AccountFacts: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledGateway:
    """A gateway that this house has, as composition finds it, with what it can do besides taking money."""

    gateway: Gateway
    proofs: CheckoutProofs | None = None
    refunds: Refunds | None = None
    # Methods of payments that cannot be paid back to: the gateway writes to the payer and asks where the money goes.
    refunds_by_email: frozenset[str] = frozenset()
    disputes: Disputes | None = None
    transfers: Transfers | None = None
    reports: SettlementReports | None = None
    cards: SavedCards | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPayoutGateway:
    """A provider of payouts that this house has, as composition finds it."""

    gateway: PayoutGateway
    checks: AccountChecks | None = None
    reports: SettlementReports | None = None


@dataclass(frozen=True, slots=True)
class SettledPayment:
    """Money that has come in and is booked in the wallet of the order's owner. `reference` is the product's own."""

    payment_id: UUID
    order_id: UUID
    owner_kind: str
    owner_id: UUID
    purpose: str
    reference: str | None
    amount: Money


OnSettled = Callable[[Session, SettledPayment], Awaitable[None]]
OnRefund = Callable[[Session, SettledPayment, Money], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Purpose:
    """What money may be paid for, provided by the module that sells it.

    `on_settled` runs in the transaction that books the money, in a savepoint: it takes the money from the buyer's
    wallet for what was bought. A `DomainError` from it refuses the sale, and the money stays in the wallet; anything
    else that it raises is tried again later. `self_service` lets a person start it through the API with any amount.

    `on_refund` runs in the transaction that begins a refund of that much of the payment, before the money is set aside:
    it takes back what was sold and puts the money into the owner's wallet again, or refuses with a `DomainError`. It is
    not asked about a sale that was refused, nor about money that the payer's bank or the gateway took by itself.
    """

    name: str
    title: str
    on_settled: OnSettled
    self_service: bool = False
    on_refund: OnRefund | None = None
