"""The tables of payments. Amounts are minor units of `currency`; states are those of `domain`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.models.cards import SavedCardRow
from tillhouse.parts.payments.models.payees import PayeeRow, PayoutReviewRow
from tillhouse.parts.payments.models.reconciliation import (
    BankLineRow,
    BankStatementRow,
    ExceptionRow,
    OpenItemCursorRow,
    OpenItemRow,
    ReconLineRow,
    ReconStartRow,
    ResolutionRow,
)

__all__ = [
    "BankLineRow",
    "BankStatementRow",
    "DisputeRow",
    "ExceptionRow",
    "OpenItemCursorRow",
    "OpenItemRow",
    "OrderRow",
    "PayeeRow",
    "PaymentRow",
    "PayoutReviewRow",
    "PayoutRow",
    "ProviderEventRow",
    "ReconLineRow",
    "ReconStartRow",
    "RefundRow",
    "ResolutionRow",
    "SavedCardRow",
    "TransferCursorRow",
    "TransferRow",
]

_SCHEMA = "payments"


class OrderRow(Base):
    """Someone is to pay us. The gateway's receipt is the id in hex.

    `owner_kind` is `person`, or `order` for a payer without an account: then the money lands in an account of the order
    (`owner_id` is its owner in the ledger). `checkout` is sealed JSON: how the gateway wants it paid.
    `saved_card_id` is the card that is charged for it while its owner is away.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "request_key"),
        UniqueConstraint("provider", "provider_order_id"),
        Index("ix_orders_owner_id_id", "owner_id", "id"),
        Index("ix_orders_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        Index("ix_orders_email", "email", postgresql_where=text("email IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    request_key: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    purpose_reference: Mapped[str | None] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    provider_order_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    failure_code: Mapped[str | None] = mapped_column(Text)
    failure_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    method: Mapped[str] = mapped_column(Text)
    country: Mapped[str | None] = mapped_column(Text)
    return_path: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str | None] = mapped_column(Text)
    checkout: Mapped[bytes | None] = mapped_column(LargeBinary)
    saved_card_id: Mapped[UUID | None] = mapped_column(ForeignKey(f"{_SCHEMA}.saved_cards.id"))

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def receipt(self) -> str:
        return self.id.hex


class PaymentRow(Base):
    """One try at paying an order. `transaction_id` is the ledger's, once the money is booked."""

    __tablename__ = "payments"
    __table_args__ = (
        UniqueConstraint("provider", "provider_payment_id"),
        Index("ix_payments_order_id", "order_id"),
        Index("ix_payments_authorized", "order_id", postgresql_where=text("state = 'authorized'")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.orders.id"))
    provider: Mapped[str] = mapped_column(Text)
    provider_payment_id: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    method: Mapped[str] = mapped_column(Text)
    fee: Mapped[int | None]
    tax: Mapped[int | None]
    refunded: Mapped[int]
    error_code: Mapped[str | None] = mapped_column(Text)
    error_message: Mapped[str | None] = mapped_column(Text)
    transaction_id: Mapped[int | None]
    purpose_state: Mapped[str | None] = mapped_column(Text)
    purpose_reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    captured_at: Mapped[datetime | None]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class RefundRow(Base):
    """Captured money is to go back to the payer. The id is the key and the reference that the gateway knows it by.

    `origin` is `gateway` for one that was made at the gateway's own dashboard. `advanced` minor units of it the wallet
    could not cover: the owner owes them to the house. At `email` the gateway asks the payer where the money goes.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        UniqueConstraint("payment_id", "request_key"),
        UniqueConstraint("provider", "provider_refund_id"),
        Index("ix_refunds_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.payments.id"))
    request_key: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    provider_refund_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    advanced: Mapped[int]
    email: Mapped[str | None] = mapped_column(Text)
    hold_id: Mapped[int | None]
    transaction_id: Mapped[int | None]
    reversal_id: Mapped[int | None]
    failure_code: Mapped[str | None] = mapped_column(Text)
    failure_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class DisputeRow(Base):
    """A payer's bank wants its money back. `taken` minor units were, when it was lost; `advanced` of them are owed.

    `lost_part` of it was lost, where the bank left the rest; what of that is not `taken` had been given back before.
    `reversal_id` is the ledger's transaction that gave it back, where it was won after it had been lost.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        UniqueConstraint("provider", "provider_dispute_id"),
        Index("ix_disputes_payment_id", "payment_id"),
        Index("ix_disputes_running", "id", postgresql_where=text("closed_at IS NULL")),
        Index("ix_disputes_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.payments.id"))
    provider: Mapped[str] = mapped_column(Text)
    provider_dispute_id: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    fee: Mapped[int]
    taken: Mapped[int]
    lost_part: Mapped[int | None]
    advanced: Mapped[int]
    hold_id: Mapped[int | None]
    transaction_id: Mapped[int | None]
    reversal_id: Mapped[int | None]
    respond_by: Mapped[datetime | None]
    opened_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def lost(self) -> Money:
        """What is gone when it is lost."""
        return Money(self.amount if self.lost_part is None else self.lost_part, self.currency)


class TransferRow(Base):
    """A line of our bank account. `placed` minor units of it have left suspense; `content` is sealed: it names people.

    `waiting` is a part of what its order costs; `unplaced` could not be told to any order; `parked` and `outgoing` are
    in no book of ours. A transfer that sent another one back is `placed` as that one is, both with the reason
    `sent_back` and the ledger's transaction of that.
    """

    __tablename__ = "transfers"
    __table_args__ = (
        UniqueConstraint("provider", "transfer_id"),
        Index("ix_transfers_order_id", "order_id"),
        Index("ix_transfers_unplaced", "id", postgresql_where=text("state IN ('waiting', 'unplaced')")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(Text)
    transfer_id: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text)
    direction: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    bank_reference: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    placed: Mapped[int]
    order_id: Mapped[UUID | None] = mapped_column(ForeignKey(f"{_SCHEMA}.orders.id"))
    reason: Mapped[str | None] = mapped_column(Text)
    transaction_id: Mapped[int | None]
    happened_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class TransferProposalRow(Base):
    """What one person said a large transfer is for (`target`: the order, or the transfer that sent it back), until
    another one says the same. Then it is done, and this is gone: the audit log keeps both.
    """

    __tablename__ = "transfer_proposals"
    __table_args__ = ({"schema": _SCHEMA},)

    transfer_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.transfers.id"), primary_key=True)
    what: Mapped[str] = mapped_column(Text)
    target: Mapped[UUID]
    by: Mapped[UUID]
    at: Mapped[datetime]


class TransferCursorRow(Base):
    """The last transfer up to which a provider was asked for those that no event told us of."""

    __tablename__ = "transfer_cursors"
    __table_args__ = ({"schema": _SCHEMA},)

    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    transfer_id: Mapped[str] = mapped_column(Text)


class PayoutRow(Base):
    """We are to pay someone. The id is the key and the reference that the provider knows it by.

    `destination` is sealed JSON, as it was when it was asked for, whatever becomes of the payee; `destination_masked`
    is what people are shown. `reasons` are why it waits, or waited, for a person. `advanced` of it the owner owes: it
    was made after its money had been freed and spent. `found_under` is the reference under which people found it at the
    provider, where that is not our id.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "request_key"),
        UniqueConstraint("provider", "provider_payout_id"),
        Index("ix_payouts_owner_id_id", "owner_id", "id"),
        Index("ix_payouts_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        Index("ix_payouts_payee_id", "payee_id", "created_at", postgresql_where=text("payee_id IS NOT NULL")),
        Index("ix_payouts_fingerprint", "fingerprint", "created_at", postgresql_where=text("fingerprint IS NOT NULL")),
        Index("ix_payouts_created_at", "created_at"),
        Index("ix_payouts_awaiting", "id", postgresql_where=text("state = 'awaiting_approval'")),
        Index("ix_payouts_unknown", "id", postgresql_where=text("state IN ('sending', 'unknown')")),
        Index("ix_payouts_utr", "utr", postgresql_where=text("utr IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    request_key: Mapped[str] = mapped_column(Text)
    origin: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[UUID | None]
    approved_by: Mapped[UUID | None]
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    provider: Mapped[str] = mapped_column(Text)
    provider_payout_id: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    destination_kind: Mapped[str] = mapped_column(Text)
    destination: Mapped[bytes] = mapped_column(LargeBinary)
    destination_masked: Mapped[str] = mapped_column(Text)
    payee_id: Mapped[UUID | None] = mapped_column(ForeignKey(f"{_SCHEMA}.payees.id"))
    fingerprint: Mapped[bytes | None] = mapped_column(LargeBinary)
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{}")
    advanced: Mapped[int] = mapped_column(server_default="0")
    found_under: Mapped[str | None] = mapped_column(Text)
    hold_id: Mapped[int | None]
    transaction_id: Mapped[int | None]
    reversal_id: Mapped[int | None]
    utr: Mapped[str | None] = mapped_column(Text)
    fee: Mapped[int | None]
    tax: Mapped[int | None]
    failure_code: Mapped[str | None] = mapped_column(Text)
    failure_message: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)


class ProviderEventRow(Base):
    """An event as it came in, signature checked. `body` is sealed: it names the payer.

    `is_first` tells the first body of an event id from another that claims the same id.
    """

    __tablename__ = "provider_events"
    __table_args__ = (
        UniqueConstraint("provider", "event_id", "body_hash"),
        Index("uq_provider_events_first", "provider", "event_id", unique=True, postgresql_where=text("is_first")),
        Index("ix_provider_events_provider_body_hash", "provider", "body_hash"),
        Index("ix_provider_events_received_at", "received_at"),
        Index("ix_provider_events_order_id", "provider", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index(
            "ix_provider_events_payment_id", "provider", "payment_id", postgresql_where=text("payment_id IS NOT NULL")
        ),
        Index(
            "ix_provider_events_payout_reference",
            "payout_reference",
            postgresql_where=text("payout_reference IS NOT NULL"),
        ),
        Index("ix_provider_events_parked", "id", postgresql_where=text("state = 'parked'")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    is_first: Mapped[bool] = mapped_column(Boolean)
    name: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    payment_id: Mapped[str | None] = mapped_column(Text)
    order_id: Mapped[str | None] = mapped_column(Text)
    payout_id: Mapped[str | None] = mapped_column(Text)
    payout_reference: Mapped[str | None] = mapped_column(Text)
    check_id: Mapped[str | None] = mapped_column(Text)
    authorisation_id: Mapped[str | None] = mapped_column(Text)
    receipt: Mapped[str | None] = mapped_column(Text)
    refund_id: Mapped[str | None] = mapped_column(Text)
    dispute_id: Mapped[str | None] = mapped_column(Text)
    transfer_id: Mapped[str | None] = mapped_column(Text)
    amount: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]

    @property
    def money(self) -> Money | None:
        return Money(self.amount, self.currency) if self.amount is not None and self.currency else None
