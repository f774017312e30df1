"""Saved payees, and what people decided about payouts that waited."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base

_SCHEMA = "payments"


class PayeeRow(Base):
    """An account that an owner pays out to. `destination` (JSON, with the owner's name) and `registered_name` are
    sealed; `fingerprint` finds the same account again without opening anything. `check_key` names one question to the
    provider, `check_id` the provider's own name of it.
    """

    __tablename__ = "payees"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "fingerprint"),
        UniqueConstraint("provider", "check_id"),
        Index("ix_payees_owner_id_id", "owner_id", "id"),
        Index("ix_payees_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    destination: Mapped[bytes] = mapped_column(LargeBinary)
    masked: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    registered_name: Mapped[bytes | None] = mapped_column(LargeBinary)
    name_match: Mapped[str | None] = mapped_column(Text)
    usable_from: Mapped[datetime]
    provider: Mapped[str | None] = mapped_column(Text)
    check_key: Mapped[UUID | None]
    check_id: Mapped[str | None] = mapped_column(Text)
    check_reason: Mapped[str | None] = mapped_column(Text)
    check_sent_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    added_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class PayoutReviewRow(Base):
    """One decision about a payout that waited. Nobody's (`released`): what it waited for happened."""

    __tablename__ = "payout_reviews"
    __table_args__ = (UniqueConstraint("payout_id", "by", "decision"), {"schema": _SCHEMA})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    payout_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.payouts.id"))
    decision: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    by: Mapped[UUID | None]
    note: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
