"""The table of saved cards."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base
from tillhouse.parts.payments.domain.cards import CardRef

_SCHEMA = "payments"


class SavedCardRow(Base):
    """A card that a gateway keeps for somebody, with their consent of `consented_at`. Its number is nowhere here.

    `pending`: the person is at the gateway, with its page `setup_ref` or paying the order `order_id` (no foreign key:
    orders refer to cards). One card of a person is active at each gateway. A removed one is forgotten at the gateway,
    too (`forgotten_at`).
    """

    __tablename__ = "saved_cards"
    __table_args__ = (
        Index(
            "uq_saved_cards_active",
            "owner_id",
            "owner_kind",
            "provider",
            unique=True,
            postgresql_where=text("state = 'active'"),
        ),
        Index("uq_saved_cards_order_id", "order_id", unique=True, postgresql_where=text("order_id IS NOT NULL")),
        Index("ix_saved_cards_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    order_id: Mapped[UUID | None]
    setup_ref: Mapped[str | None] = mapped_column(Text)
    customer_ref: Mapped[str | None] = mapped_column(Text)
    method_ref: Mapped[str | None] = mapped_column(Text)
    brand: Mapped[str | None] = mapped_column(Text)
    last4: Mapped[str | None] = mapped_column(Text)
    expires_year: Mapped[int | None] = mapped_column(Integer)
    expires_month: Mapped[int | None] = mapped_column(Integer)
    consented_at: Mapped[datetime]
    saved_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    @property
    def ref(self) -> CardRef | None:
        """What the gateway calls it; None where it was never given."""
        return CardRef(self.customer_ref, self.method_ref) if self.customer_ref and self.method_ref else None
