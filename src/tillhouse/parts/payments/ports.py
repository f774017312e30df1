"""What payments need of the outside: gateways that take money, providers that pay it out, purposes.

Every call that reaches a provider raises `NotSent` (no effect), `OutcomeUnknown` (nobody knows) or `Refused` (final).
None may be made while a transaction is open.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol
from uuid import UUID

from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import DomainError, Forbidden
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import Destination, PaymentFacts, PayoutFacts


class Refused(DomainError):
    """The provider understood and said no: the call had no effect and never will have. `reason` is its own code."""

    code = "provider_refused"
    status = 422

    def __init__(self, message: str, *, reason: str, description: str, provider: str) -> None:
        super().__init__(message, provider=provider, description=description)
        self.reason = reason
        self.description = description


class BadSignature(Forbidden):
    """What claims to come from a provider does not."""

    code = "bad_signature"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a gateway can do. Amounts are minor units of each currency."""

    currencies: frozenset[str]
    least: int
    captures_by_itself: bool


@dataclass(frozen=True, slots=True)
class CheckoutScript:
    """What a browser needs to open the gateway's checkout: options of the script, and a form for pages without it."""

    script_url: str
    form_url: str
    options: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """An event whose signature was right. What it says is a hint: the truth is asked of the provider."""

    event_id: str
    name: str
    payment_id: str | None = None
    order_id: str | None = None
    payout_id: str | None = None
    payout_reference: str | None = None
    amount: Money | None = None


@dataclass(frozen=True, slots=True)
class Payee:
    """Whom a payout is for, as the provider should know them. `reference` is the same for all their payouts."""

    name: str
    reference: str


class Gateway(Protocol):
    """Takes money. Orders first, then payments for them."""

    name: ClassVar[str]
    key_id: str
    capabilities: Capabilities

    async def create_order(self, *, receipt: str, amount: Money, purpose: str) -> str:
        """Make an order; returns the gateway's id. Not idempotent: ask `find_order` before a second try."""
        ...

    async def find_order(self, receipt: str) -> str | None:
        """The gateway's id of the order with our `receipt`, if it was ever made."""
        ...

    async def fetch_payment(self, payment_id: str) -> PaymentFacts: ...

    async def payments_of(self, order_id: str) -> list[PaymentFacts]:
        """Every try at paying an order, newest first."""
        ...

    async def capture(self, payment_id: str, amount: Money) -> PaymentFacts:
        """Take what was authorised. Raises `Refused` when it is captured already or can no longer be."""
        ...

    def checkout(self, order_id: str, amount: Money, *, title: str) -> CheckoutScript: ...

    def verify_checkout(self, *, order_id: str, payment_id: str, signature: str) -> None:
        """Check what the browser brings back, against OUR order's id. Raises `BadSignature`."""
        ...

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """Check the signature over the raw bytes, then read them. Raises `BadSignature`."""
        ...


class PayoutGateway(Protocol):
    """Pays money out."""

    name: ClassVar[str]
    currencies: frozenset[str]
    key_valid_hours: int

    async def create_payout(self, *, key: UUID, amount: Money, to: Destination, payee: Payee) -> PayoutFacts:
        """Pay out. The same `key` with the same details never pays twice and answers the first one's state."""
        ...

    async def find_payout(self, key: UUID) -> PayoutFacts | None:
        """The payout with our key as its reference, if it was ever made."""
        ...

    async def fetch_payout(self, payout_id: str) -> PayoutFacts: ...

    def read_event(self, body: bytes, headers: Mapping[str, str]) -> ProviderEvent:
        """Check the signature over the raw bytes, then read them. Raises `BadSignature`."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledGateway:
    """A gateway that this house has, as composition finds it."""

    gateway: Gateway


@dataclass(frozen=True, slots=True)
class InstalledPayoutGateway:
    """A provider of payouts that this house has, as composition finds it."""

    gateway: PayoutGateway


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


@dataclass(frozen=True, slots=True)
class Purpose:
    """What money may be paid for, provided by the module that sells it.

    `on_settled` runs in the transaction that books the money, in a savepoint: it takes the money from the buyer's
    wallet for what was bought. A `DomainError` from it refuses the sale, and the money stays in the wallet; anything
    else that it raises is tried again later. `self_service` lets a person start it through the API with any amount.
    """

    name: str
    title: str
    on_settled: OnSettled
    self_service: bool = False
