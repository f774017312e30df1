"""What people have to look at, providers' reports and bank statements beside our books, and what is open."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject
from tillhouse.kernel.money import Money

_SCHEMA = "payments"


class ExceptionRow(Base):
    """Something that a person has to look at. Open once for a subject and reason."""

    __tablename__ = "exceptions"
    __table_args__ = (
        Index("uq_exceptions_open", "subject", "reason", unique=True, postgresql_where=text("closed_at IS NULL")),
        Index("ix_exceptions_subject_reason", "subject", "reason"),
        Index("ix_exceptions_open", "id", postgresql_where=text("closed_at IS NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    details: Mapped[JsonObject]
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class ReconStartRow(Base):
    """Since when a provider's reports are read: what was captured before may stand in one that we never saw."""

    __tablename__ = "recon_starts"
    __table_args__ = ({"schema": _SCHEMA},)

    provider: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[datetime]


class ReconLineRow(Base):
    """A provider's word on one subject beside ours: `gross`, `fee`, `tax` are theirs, `ours` and `our_fee` our books'.

    A `missing` one has no word of theirs yet. `occurrence` counts equal lines of one report. `other` is what the
    provider said later under the same line, where it was something else. `transaction_id` is the ledger's, once booked.
    """

    __tablename__ = "recon_lines"
    __table_args__ = (
        Index(
            "uq_recon_lines_line", "provider", "line_id", "occurrence", unique=True,
            postgresql_where=text("line_id IS NOT NULL"),
        ),
        Index(
            "uq_recon_lines_claim", "provider", "kind", "subject_id", unique=True,
            postgresql_where=text("class IN ('matched', 'late', 'missing')"),
        ),
        Index("ix_recon_lines_provider_kind_subject_id", "provider", "kind", "subject_id"),
        Index("ix_recon_lines_unclaimed", "provider", "id", postgresql_where=text("class = 'extra'")),
        Index("ix_recon_lines_provider_settled_on", "provider", "settled_on"),
        Index("ix_recon_lines_bank_reference", "bank_reference"),
        {"schema": _SCHEMA},
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    subject_id: Mapped[str] = mapped_column(Text)
    line_class: Mapped[str] = mapped_column("class", Text)
    line_id: Mapped[str | None] = mapped_column(Text)
    occurrence: Mapped[int]
    settlement_id: Mapped[str | None] = mapped_column(Text)
    settled_on: Mapped[date | None]
    bank_reference: Mapped[str | None] = mapped_column(Text)
    gross: Mapped[int | None]
    fee: Mapped[int | None]
    tax: Mapped[int | None]
    currency: Mapped[str] = mapped_column(Text)
    our_id: Mapped[UUID | None]
    ours: Mapped[int | None]
    our_fee: Mapped[int | None]
    our_currency: Mapped[str | None] = mapped_column(Text)
    other: Mapped[JsonObject | None]
    transaction_id: Mapped[int | None]
    found_at: Mapped[datetime]

    @property
    def net(self) -> Money | None:
        """What the provider says it paid for this line."""
        if self.gross is None or self.fee is None:
            return None
        return Money(self.gross - self.fee, self.currency)


class BankStatementRow(Base):
    """A file of our bank, or a stretch of transfers that a provider told. Days with a closing balance are closed.

    `cursor` is the last transfer that the provider told, on whichever account.
    """

    __tablename__ = "bank_statements"
    __table_args__ = (
        UniqueConstraint("account", "content_hash"),
        Index("ix_bank_statements_source_imported_at", "source", "imported_at"),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(Text)
    currency: Mapped[str] = mapped_column(Text)
    first_day: Mapped[date]
    last_day: Mapped[date]
    opening: Mapped[int | None]
    closing: Mapped[int | None]
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    source: Mapped[str] = mapped_column(Text)
    cursor: Mapped[str | None] = mapped_column(Text)
    imported_by: Mapped[UUID | None]
    imported_at: Mapped[datetime]


class BankLineRow(Base):
    """One booking of our bank. `text` is sealed: it names people. What is not `matched` is in suspense.

    `target` is what it ended (`settlement:razorpay:setl_…`), each ended by one line.
    """

    __tablename__ = "bank_lines"
    __table_args__ = (
        UniqueConstraint("account", "reference", "amount", "day", "sequence"),
        Index("uq_bank_lines_target", "target", unique=True, postgresql_where=text("class = 'matched'")),
        Index("ix_bank_lines_open", "id", postgresql_where=text("class <> 'matched'")),
        Index("ix_bank_lines_reference", "reference"),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    statement_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.bank_statements.id"))
    account: Mapped[str] = mapped_column(Text)
    day: Mapped[date]
    reference: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    currency: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int]
    source_id: Mapped[str | None] = mapped_column(Text)
    text: Mapped[bytes] = mapped_column(LargeBinary)
    line_class: Mapped[str] = mapped_column("class", Text)
    target: Mapped[str | None] = mapped_column(Text)
    transaction_id: Mapped[int | None]
    matched_transaction_id: Mapped[int | None]
    found_at: Mapped[datetime]

    @property
    def change(self) -> Money:
        return Money(self.amount, self.currency)


class ResolutionRow(Base):
    """How one person proposes to end an exception, and what another decided.

    `legs` holds those of a correction and, for a payout or refund, what became of it (`ending`). Neither: explained.
    """

    __tablename__ = "resolutions"
    __table_args__ = (
        Index("uq_resolutions_proposed", "exception_id", unique=True, postgresql_where=text("state = 'proposed'")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    exception_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.exceptions.id"))
    state: Mapped[str] = mapped_column(Text)
    explanation: Mapped[str] = mapped_column(Text)
    legs: Mapped[JsonObject]
    proposed_by: Mapped[UUID]
    proposed_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    transaction_id: Mapped[int | None]


class OpenItemRow(Base):
    """What is left of one matter in an account that has to return to zero, up to where the account's cursor stands."""

    __tablename__ = "open_items"
    __table_args__ = ({"schema": _SCHEMA},)

    account: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text, primary_key=True)
    item: Mapped[str] = mapped_column(Text, primary_key=True)
    amount: Mapped[int]
    since: Mapped[datetime]


class OpenItemCursorRow(Base):
    """Up to which entry of an account its open items are counted, and the account's balance there."""

    __tablename__ = "open_item_cursors"
    __table_args__ = ({"schema": _SCHEMA},)

    account: Mapped[str] = mapped_column(Text, primary_key=True)
    unit: Mapped[str] = mapped_column(Text, primary_key=True)
    sequence: Mapped[int]
    balance: Mapped[int]
