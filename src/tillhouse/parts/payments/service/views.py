"""Orders and payouts as others see them: no row leaves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.kernel.vault import Vault
from tillhouse.parts.payments.domain import (
    NameMatch,
    OrderState,
    PayeeState,
    PayoutState,
    masked_name,
    order_sentence,
    payee_sentence,
    payout_sentence,
)
from tillhouse.parts.payments.domain.payouts import AT_THE_BANK_FIRST
from tillhouse.parts.payments.models import OrderRow, PayeeRow, PaymentRow, PayoutReviewRow, PayoutRow


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order for money. `sentence` is a message id that says what the state means for the money."""

    id: UUID
    owner_kind: str
    owner_id: UUID
    purpose: str
    reference: str | None
    amount: Money
    provider: str
    provider_order_id: str | None
    state: OrderState
    sentence: str
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One try at paying an order. `fee` (tax included) is what the gateway keeps, once it is known."""

    id: UUID
    order_id: UUID
    provider: str
    provider_payment_id: str
    state: OrderState
    amount: Money
    method: str
    fee: Money | None
    purpose_state: str | None
    purpose_reason: str | None
    captured_at: datetime | None


@dataclass(frozen=True, slots=True)
class PayeeView:
    """A saved account. `destination` and `registered_name` are masked; `sentence` is a message id. From `usable_from`
    on any amount may go there, until then a small one.
    """

    id: UUID
    kind: str
    destination: str
    state: PayeeState
    sentence: str
    registered_name: str | None
    name_match: NameMatch | None
    usable_from: datetime
    added_at: datetime


@dataclass(frozen=True, slots=True)
class ReviewView:
    """One decision about a payout that waited; `by` is nobody where what it waited for happened."""

    decision: str
    reason: str
    by: UUID | None
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PayoutView:
    """A payout. `destination` is masked; `sentence` is a message id that says what the state means for the money.

    `reasons` are codes of why it waits, or waited, for a person: for staff alone. `waits_for_bank`: it only waits for
    the bank to say whose the account is.
    """

    id: UUID
    owner_kind: str
    owner_id: UUID
    origin: str
    amount: Money
    provider: str
    state: PayoutState
    sentence: str
    destination_kind: str
    destination: str
    utr: str | None
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    finished_at: datetime | None
    payee_id: UUID | None
    requested_by: UUID | None
    reasons: tuple[str, ...]
    waits_for_bank: bool


def order_view(row: OrderRow) -> OrderView:
    """An order as others see it."""
    state = OrderState(row.state)
    return OrderView(
        id=row.id,
        owner_kind=row.owner_kind,
        owner_id=row.owner_id,
        purpose=row.purpose,
        reference=row.purpose_reference,
        amount=row.money,
        provider=row.provider,
        provider_order_id=row.provider_order_id,
        state=state,
        sentence=order_sentence(state),
        failure_code=row.failure_code,
        failure_message=row.failure_message,
        created_at=row.created_at,
        expires_at=row.expires_at,
        paid_at=row.paid_at,
    )


def payment_view(row: PaymentRow) -> PaymentView:
    """A payment as others see it."""
    return PaymentView(
        id=row.id,
        order_id=row.order_id,
        provider=row.provider,
        provider_payment_id=row.provider_payment_id,
        state=OrderState(row.state),
        amount=row.money,
        method=row.method,
        fee=None if row.fee is None else Money(row.fee, row.currency),
        purpose_state=row.purpose_state,
        purpose_reason=row.purpose_reason,
        captured_at=row.captured_at,
    )


def payee_view(row: PayeeRow, vault: Vault) -> PayeeView:
    """A payee as its owner sees it."""
    state = PayeeState(row.state)
    return PayeeView(
        id=row.id,
        kind=row.kind,
        destination=row.masked,
        state=state,
        sentence=payee_sentence(state),
        registered_name=masked_name(vault.open(row.registered_name)) if row.registered_name else None,
        name_match=NameMatch(row.name_match) if row.name_match else None,
        usable_from=row.usable_from,
        added_at=row.added_at,
    )


def review_view(row: PayoutReviewRow) -> ReviewView:
    """A decision as staff see it."""
    return ReviewView(decision=row.decision, reason=row.reason, by=row.by, note=row.note, at=row.at)


def payout_view(row: PayoutRow) -> PayoutView:
    """A payout as others see it."""
    state, reasons = PayoutState(row.state), tuple(row.reasons)
    waits_for_bank = state == PayoutState.AWAITING_APPROVAL and reasons == ("payee_unverified",)
    return PayoutView(
        id=row.id,
        owner_kind=row.owner_kind,
        owner_id=row.owner_id,
        origin=row.origin,
        amount=row.money,
        provider=row.provider,
        state=state,
        sentence=AT_THE_BANK_FIRST if waits_for_bank else payout_sentence(state),
        destination_kind=row.destination_kind,
        destination=row.destination_masked,
        utr=row.utr,
        failure_code=row.failure_code,
        failure_message=row.failure_message,
        created_at=row.created_at,
        finished_at=row.finished_at,
        payee_id=row.payee_id,
        requested_by=row.requested_by,
        reasons=reasons,
        waits_for_bank=waits_for_bank,
    )
