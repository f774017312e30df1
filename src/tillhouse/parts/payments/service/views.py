"""What others see of orders, payouts, refunds, disputes, transfers and events: no row leaves."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tillhouse.kernel.money import Money
from tillhouse.kernel.vault import Vault
from tillhouse.parts.payments.domain import (
    DisputeState,
    Method,
    NameMatch,
    OrderState,
    PayeeState,
    PayoutState,
    RefundState,
    masked_name,
    order_sentence,
    payee_sentence,
    payout_sentence,
    refund_sentence,
)
from tillhouse.parts.payments.models import (
    DisputeRow,
    OrderRow,
    PayeeRow,
    PaymentRow,
    PayoutReviewRow,
    PayoutRow,
    ProviderEventRow,
    RefundRow,
    TransferRow,
)


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
    method: Method
    country: str | None
    email: str | None
    return_path: str | None


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One try at paying an order. `fee` (tax included) is what the gateway keeps, once it is known.

    `refunded` is what was given back of it, by refunds and by lost disputes.
    """

    id: UUID
    order_id: UUID
    provider: str
    provider_payment_id: str
    state: OrderState
    amount: Money
    method: str
    fee: Money | None
    refunded: Money
    purpose_state: str | None
    purpose_reason: str | None
    captured_at: datetime | None
    transaction_id: int | None
    created_at: datetime


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
    the bank to say whose the account is. `advanced` of it the owner's wallet could not cover: they owe it to the house.
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
    provider_payout_id: str | None
    advanced: Money
    hold_id: int | None
    transaction_id: int | None
    reversal_id: int | None
    fee: Money | None
    sent_at: datetime | None
    processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class RefundView:
    """Money that goes back to its payer. `advanced` of it the owner's wallet could not cover: they owe it to the house.

    `origin` is `gateway` for one that was made at the gateway's own dashboard.
    """

    id: UUID
    payment_id: UUID
    origin: str
    requested_by: UUID | None
    reason: str
    amount: Money
    advanced: Money
    provider: str
    provider_refund_id: str | None
    state: RefundState
    sentence: str
    failure_code: str | None
    failure_message: str | None
    created_at: datetime
    finished_at: datetime | None
    sent_at: datetime | None
    hold_id: int | None
    transaction_id: int | None
    reversal_id: int | None


@dataclass(frozen=True, slots=True)
class DisputeView:
    """Money that a payer's bank wants back. Of a lost one `lost` is gone: all of it, or what the bank did not leave.
    `taken` of that was its owner's; `advanced` of it is owed to the house.

    `reversal_id` gave it back, where it was won after it had been lost.
    """

    id: UUID
    payment_id: UUID
    provider: str
    provider_dispute_id: str
    state: DisputeState
    reason: str
    amount: Money
    fee: Money
    lost: Money
    taken: Money
    advanced: Money
    respond_by: datetime | None
    opened_at: datetime
    closed_at: datetime | None
    hold_id: int | None
    transaction_id: int | None
    reversal_id: int | None


@dataclass(frozen=True, slots=True)
class TransferProposalView:
    """What somebody said a transfer is for: `target` is the order, or the transfer that sent it back."""

    what: str
    target: UUID
    by: UUID
    at: datetime


@dataclass(frozen=True, slots=True)
class TransferView:
    """A line of our bank account. `content` is what the bank says of it, which names people: for staff alone."""

    id: UUID
    provider: str
    transfer_id: str
    account: str
    direction: str
    amount: Money
    placed: Money
    state: str
    reason: str | None
    order_id: UUID | None
    content: str
    bank_reference: str
    happened_at: datetime
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class EventView:
    """An event of a provider, as it stands with us. `about` names what it is about, as (kind, provider's or our id).

    One that is not the first of its id claims what another claimed before.
    """

    id: UUID
    provider: str
    event_id: str
    name: str
    state: str
    reason: str | None
    received_at: datetime
    handled_at: datetime | None
    is_first: bool
    about: tuple[tuple[str, str], ...]
    amount: Money | None


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
        method=Method(row.method),
        country=row.country,
        email=row.email,
        return_path=row.return_path,
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
        refunded=Money(row.refunded, row.currency),
        purpose_state=row.purpose_state,
        purpose_reason=row.purpose_reason,
        captured_at=row.captured_at,
        transaction_id=row.transaction_id,
        created_at=row.created_at,
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
        sentence=payout_sentence(state, row.owner_kind, waits_for_bank=waits_for_bank),
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
        provider_payout_id=row.provider_payout_id,
        advanced=Money(row.advanced, row.currency),
        hold_id=row.hold_id,
        transaction_id=row.transaction_id,
        reversal_id=row.reversal_id,
        fee=None if row.fee is None else Money(row.fee, row.currency),
        sent_at=row.sent_at,
        processed_at=row.processed_at,
    )


def refund_view(row: RefundRow) -> RefundView:
    """A refund as others see it."""
    state = RefundState(row.state)
    return RefundView(
        id=row.id,
        payment_id=row.payment_id,
        origin=row.origin,
        requested_by=row.requested_by,
        reason=row.reason,
        amount=row.money,
        advanced=Money(row.advanced, row.currency),
        provider=row.provider,
        provider_refund_id=row.provider_refund_id,
        state=state,
        sentence=refund_sentence(state),
        failure_code=row.failure_code,
        failure_message=row.failure_message,
        created_at=row.created_at,
        finished_at=row.finished_at,
        sent_at=row.sent_at,
        hold_id=row.hold_id,
        transaction_id=row.transaction_id,
        reversal_id=row.reversal_id,
    )


def dispute_view(row: DisputeRow) -> DisputeView:
    """A dispute as others see it."""
    return DisputeView(
        id=row.id,
        payment_id=row.payment_id,
        provider=row.provider,
        provider_dispute_id=row.provider_dispute_id,
        state=DisputeState(row.state),
        reason=row.reason,
        amount=row.money,
        fee=Money(row.fee, row.currency),
        lost=row.lost,
        taken=Money(row.taken, row.currency),
        advanced=Money(row.advanced, row.currency),
        respond_by=row.respond_by,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        hold_id=row.hold_id,
        transaction_id=row.transaction_id,
        reversal_id=row.reversal_id,
    )


def transfer_view(row: TransferRow, content: str) -> TransferView:
    """A transfer as staff see it, with its unsealed content."""
    return TransferView(
        id=row.id,
        provider=row.provider,
        transfer_id=row.transfer_id,
        account=row.account,
        direction=row.direction,
        amount=row.money,
        placed=Money(row.placed, row.currency),
        state=row.state,
        reason=row.reason,
        order_id=row.order_id,
        content=content,
        bank_reference=row.bank_reference,
        happened_at=row.happened_at,
        transaction_id=row.transaction_id,
    )


def event_view(row: ProviderEventRow) -> EventView:
    """An event as others see it."""
    named = {
        "order": row.order_id,
        "payment": row.payment_id,
        "refund": row.refund_id,
        "dispute": row.dispute_id,
        "transfer": row.transfer_id,
        "payout": row.payout_id or row.payout_reference,
        "account_check": row.check_id,
    }
    return EventView(
        id=row.id,
        provider=row.provider,
        event_id=row.event_id,
        name=row.name,
        state=row.state,
        reason=row.reason,
        received_at=row.received_at,
        handled_at=row.handled_at,
        is_first=row.is_first,
        about=tuple((kind, value) for kind, value in named.items() if value),
        amount=row.money,
    )
