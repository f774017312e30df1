"""The tables of the ledger. What writes them are the functions of the migrations; here they are only read.

Transactions and entries are partitioned by their number, whose upper bits are the recorded time.
"""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Sequence,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject

SCHEMA = "ledger"

numbers = Sequence("numbers", schema=SCHEMA, metadata=Base.metadata)


class AccountRow(Base):
    """An account, and where it stands: what every posting updates, so it is short and no changing column is indexed."""

    __tablename__ = "accounts"
    __table_args__ = (UniqueConstraint("owner_kind", "owner_id", "code", "unit"), {"schema": SCHEMA})

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    balance: Mapped[int] = mapped_column(
        server_default="0", comment="debits positive; the last entry's running balance"
    )
    held: Mapped[int] = mapped_column(server_default="0")
    sequence: Mapped[int] = mapped_column(server_default="0")
    last_transaction_id: Mapped[int] = mapped_column(server_default="0")
    floor: Mapped[int | None] = mapped_column(comment="least that may be left available, in the natural sign")
    opened_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    owner_id: Mapped[UUID] = mapped_column(comment="all zeros for an account of the house")
    closed: Mapped[bool] = mapped_column(server_default=text("false"))
    owner_kind: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    type: Mapped[str] = mapped_column(Text)


class TransactionRow(Base):
    """A transaction. `effective_at` is its business time, `recorded_at` the moment it was written, after the locks."""

    __tablename__ = "transactions"
    __table_args__ = (
        Index(
            "ix_transactions_metadata",
            "metadata",
            postgresql_ops={"metadata": "jsonb_path_ops"},
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
            postgresql_where=text("metadata IS NOT NULL"),
        ),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    effective_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    reverses: Mapped[int | None]
    captures: Mapped[int | None]
    kind: Mapped[str] = mapped_column(Text)
    # `metadata` is taken by the declarative base
    details: Mapped[JsonObject | None] = mapped_column("metadata")


class EntryRow(Base):
    """One leg as it stands in its account: the signed amount, the running balance, the account's own number of it."""

    __tablename__ = "entries"
    __table_args__ = (
        Index("ix_entries_transaction_id", "transaction_id"),
        Index(
            "ix_entries_displaced",
            "account_id",
            "effective_at",
            "transaction_id",
            postgresql_include=["amount"],
            postgresql_where=text("effective_at <> recorded_at"),
        ),
        Index(
            "ix_entries_displaced_recorded",
            "account_id",
            "transaction_id",
            postgresql_include=["effective_at", "amount"],
            postgresql_where=text("effective_at <> recorded_at"),
        ),
        {"schema": SCHEMA, "postgresql_partition_by": "RANGE (transaction_id)"},
    )

    transaction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    amount: Mapped[int]
    balance: Mapped[int]
    effective_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    unit: Mapped[str] = mapped_column(Text)


class KeyRow(Base):
    """An idempotency key, the hash of what was asked, and what came of it: a transaction or a hold."""

    __tablename__ = "keys"
    __table_args__ = (Index("ix_keys_transaction_id", "transaction_id"), {"schema": SCHEMA})

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    transaction_id: Mapped[int | None]
    hold_id: Mapped[int | None]


class ReversalRow(Base):
    """Which transaction reversed which: the primary key lets each be reversed once."""

    __tablename__ = "reversals"
    __table_args__ = (UniqueConstraint("reversed_by"), {"schema": SCHEMA})

    transaction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reversed_by: Mapped[int]


class ClosedPeriodRow(Base):
    """A decision that nothing takes effect before `closed_until` any more; the latest one counts."""

    __tablename__ = "closed_periods"
    __table_args__ = (Index("ix_closed_periods_closed_until", "closed_until"), {"schema": SCHEMA})

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    closed_until: Mapped[datetime]
    closed_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))
    closed_by: Mapped[UUID | None]
    reason: Mapped[str] = mapped_column(Text)


class RefusalRow(Base):
    """What the API refused under a key: the same again gets the same answer, for two days."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_refused_at", "refused_at"), {"schema": SCHEMA})

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    input_hash: Mapped[bytes] = mapped_column(LargeBinary)
    outcome: Mapped[str] = mapped_column(Text)
    number: Mapped[int | None]
    account_id: Mapped[int | None]
    available: Mapped[int | None]
    refused_at: Mapped[datetime] = mapped_column(server_default=text("clock_timestamp()"))


class DisplacedRunRow(Base):
    """A run of an account's displaced entries in recorded order; it ends with the entry of transaction `last_id`."""

    __tablename__ = "displaced_runs"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int]
    last_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class DisplacedSumRow(Base):
    """The sum of those entries of a run that are in effect by `effective_at`."""

    __tablename__ = "displaced_sums"
    __table_args__ = ({"schema": SCHEMA},)

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    level: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    effective_at: Mapped[datetime] = mapped_column(primary_key=True)
    total: Mapped[Decimal] = mapped_column(Numeric, comment="of the run's entries in effect by then; may pass a bigint")


class BlockRow(Base):
    """A sealed block: its hash covers every row up to `last_id` since the block before, and that block's hash."""

    __tablename__ = "blocks"
    __table_args__ = ({"schema": SCHEMA},)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first_id: Mapped[int]
    last_id: Mapped[int]
    transactions: Mapped[int]
    entries: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_at: Mapped[datetime]


class HoldRow(Base):
    """Money set aside: open until captured, voided or expired."""

    __tablename__ = "holds"
    __table_args__ = (
        Index("ix_holds_open", "account_id", "id", postgresql_where=text("state = 'open'")),
        Index(
            "ix_holds_expiring",
            "expires_at",
            postgresql_where=text("state = 'open' AND expires_at IS NOT NULL"),
        ),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(AccountRow.id))
    amount: Mapped[int]
    captured: Mapped[int] = mapped_column(server_default="0")
    transaction_id: Mapped[int | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    state: Mapped[str] = mapped_column(Text, server_default="open")
    details: Mapped[JsonObject | None] = mapped_column("metadata")


class LotRow(Base):
    """Points or credits of one origin. Its number is that of the transaction that granted it."""

    __tablename__ = "lots"
    __table_args__ = (
        Index("ix_lots_account_id_id", "account_id", "id"),
        Index("ix_lots_open", "account_id", postgresql_where=text("remaining > 0")),
        Index("ix_lots_expiring", "expires_at", postgresql_where=text("remaining > 0 AND expires_at IS NOT NULL")),
        {"schema": SCHEMA},
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(AccountRow.id))
    granted: Mapped[int]
    remaining: Mapped[int]
    price: Mapped[int | None] = mapped_column(comment="paid for the whole lot, in minor units of price_unit")
    expires_at: Mapped[datetime | None]
    priority: Mapped[int] = mapped_column(Integer)
    source: Mapped[str] = mapped_column(Text)
    price_unit: Mapped[str | None] = mapped_column(Text)


class LotMovementRow(Base):
    """What a transaction took from a lot or gave back to it, and what that left."""

    __tablename__ = "lot_movements"
    __table_args__ = (
        Index("ix_lot_movements_lot_id_transaction_id", "lot_id", "transaction_id"),
        Index("ix_lot_movements_spend_id", "spend_id", postgresql_where=text("spend_id IS NOT NULL")),
        {"schema": SCHEMA},
    )

    transaction_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    lot_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(LotRow.id), primary_key=True)
    amount: Mapped[int]
    remaining: Mapped[int]
    spend_id: Mapped[int | None]
    extends_to: Mapped[datetime | None]
    place: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(Text)


class LotPinRow(Base):
    """What a hold has reserved of a lot: in force while the hold is open."""

    __tablename__ = "lot_pins"
    __table_args__ = (Index("ix_lot_pins_lot_id", "lot_id"), {"schema": SCHEMA})

    hold_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(HoldRow.id), primary_key=True)
    lot_id: Mapped[int] = mapped_column(BigInteger, ForeignKey(LotRow.id), primary_key=True)
    amount: Mapped[int]
