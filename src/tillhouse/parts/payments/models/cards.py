"""The table of saved cards, and of authorisations by UPI that are kept like them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, Integer, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain.cards import CardRef

_SCHEMA = "payments"


class SavedCardRow(Base):
    """A card that a gateway keeps for somebody, with their consent of `consented_at`. Its number is nowhere here.

    `kind` upi: an authorisation, known by its masked `address`. `most` (minor units of `most_unit`) is what a charge
    may be at most, where its holder's bank was told; `ends_at` when the authorisation ends there; `paused_at` since
    when its holder lets nothing be charged. `authorised_by` is the gateway's payment by which it was given.

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
        Index(
            "ix_saved_cards_method_ref",
            "provider",
            "method_ref",
            postgresql_where=text("method_ref IS NOT NULL"),
        ),
        Index("ix_saved_cards_next_check_at", "next_check_at", postgresql_where=text("next_check_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    provider: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
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
    authorised_by: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    most: Mapped[int | None] = mapped_column(BigInteger)
    most_unit: Mapped[str | None] = mapped_column(Text)
    ends_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    consented_at: Mapped[datetime]
    saved_at: Mapped[datetime | None]
    removed_at: Mapped[datetime | None]
    forgotten_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]

    @property
    def ref(self) -> CardRef | None:
        """What the gateway calls it; None where it was never given."""
        if not self.customer_ref or not self.method_ref:
            return None
        return CardRef(self.customer_ref, self.method_ref, self.authorised_by or "")

    @property
    def greatest(self) -> Money | None:
        """What a charge may be at most; None where nobody said."""
        return Money(self.most, self.most_unit) if self.most is not None and self.most_unit else None
