"""The tables of payments. Amounts are minor units of `currency`; states are those of `domain`."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Boolean, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.models.payees import PayeeRow, PayoutReviewRow

__all__ = ["ExceptionRow", "OrderRow", "PayeeRow", "PaymentRow", "PayoutReviewRow", "PayoutRow", "ProviderEventRow"]

_SCHEMA = "payments"


class OrderRow(Base):
    """Someone is to pay us. The gateway's receipt is the id in hex."""

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "request_key"),
        UniqueConstraint("provider", "provider_order_id"),
        Index("ix_orders_owner_id_id", "owner_id", "id"),
        Index("ix_orders_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
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


class PayoutRow(Base):
    """We are to pay someone. The id is the key and the reference that the provider knows it by.

    `destination` is sealed JSON, as it was when it was asked for, whatever becomes of the payee; `destination_masked`
    is what people are shown. `reasons` are why it waits, or waited, for a person.
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
    amount: Mapped[int | None]
    currency: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]

    @property
    def money(self) -> Money | None:
        return Money(self.amount, self.currency) if self.amount is not None and self.currency else None


class ExceptionRow(Base):
    """Something that a person has to look at. Open once for a subject and reason."""

    __tablename__ = "exceptions"
    __table_args__ = (
        Index("uq_exceptions_open", "subject", "reason", unique=True, postgresql_where=text("closed_at IS NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    details: Mapped[JsonObject]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
