"""Tables of billing."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject
from tillhouse.kernel.money import Money

_SCHEMA = "billing"
_LIVE = "state IN ('pending', 'trialing', 'active', 'past_due', 'grace')"


class OfferRow(Base):
    """The terms of a plan's or package's version, as they were when it was first sold. Never changed."""

    __tablename__ = "offers"
    __table_args__ = ({"schema": _SCHEMA},)

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    terms: Mapped[JsonObject]
    sold_first_at: Mapped[datetime]


class SubscriptionRow(Base):
    """Somebody's subscription. `paid_until` is the end of the time that is paid for, or of the trial.

    Periods are counted from `anchor`, by the calendar of `zone`: `periods` is how many were paid since.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        Index(
            "uq_subscriptions_owner_kind_owner_id_family",
            "owner_kind",
            "owner_id",
            "family",
            unique=True,
            postgresql_where=text(_LIVE),
        ),
        Index("ix_subscriptions_owner_id_id", "owner_id", "id"),
        Index("ix_subscriptions_next_look_at", "next_look_at", postgresql_where=text("next_look_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    family: Mapped[str] = mapped_column(Text)
    plan: Mapped[str] = mapped_column(Text)
    plan_version: Mapped[int] = mapped_column(Integer)
    currency: Mapped[str] = mapped_column(Text)
    months: Mapped[int] = mapped_column(Integer)
    next_plan: Mapped[str | None] = mapped_column(Text)
    next_plan_version: Mapped[int | None] = mapped_column(Integer)
    next_months: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text)
    zone: Mapped[str] = mapped_column(Text)
    anchor: Mapped[datetime]
    periods: Mapped[int] = mapped_column(Integer)
    paid_until: Mapped[datetime]
    pays_from_wallet: Mapped[bool]
    ends_at_period_end: Mapped[bool]
    coupon: Mapped[str | None] = mapped_column(Text)
    coupon_periods_left: Mapped[int | None] = mapped_column(Integer)
    begun_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]


class InvoiceRow(Base):
    """Something to be paid for once: a period of a subscription, or a package of points. Amounts in minor units.

    `total` is what is paid, tax included: `price` less `discount` (a coupon's) and `credit` (unused time of the plan
    before). `recognised` and `refunded` are of `total` less `tax`; `credited` is what of it
    became the credit of a later invoice. `starts_anew`: its period begins when it is paid, not after the one before.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        Index(
            "uq_invoices_subscription_id",
            "subscription_id",
            unique=True,
            postgresql_where=text("state = 'open' AND subscription_id IS NOT NULL"),
        ),
        Index("ix_invoices_owner_id_id", "owner_id", "id"),
        Index("ix_invoices_unearned", "id", postgresql_where=text("state = 'paid' AND NOT earned")),
        Index("ix_invoices_waiting", "written_at", postgresql_where=text("state = 'open' AND subscription_id IS NULL")),
        UniqueConstraint("lot_id"),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey(f"{_SCHEMA}.subscriptions.id"))
    offer: Mapped[str] = mapped_column(Text)
    offer_version: Mapped[int] = mapped_column(Integer)
    months: Mapped[int | None] = mapped_column(Integer)
    currency: Mapped[str] = mapped_column(Text)
    price: Mapped[int] = mapped_column(BigInteger)
    discount: Mapped[int] = mapped_column(BigInteger)
    credit: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
    tax: Mapped[int] = mapped_column(BigInteger)
    tax_name: Mapped[str | None] = mapped_column(Text)
    tax_basis_points: Mapped[int] = mapped_column(Integer)
    coupon: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    asked: Mapped[int] = mapped_column(Integer)
    starts_anew: Mapped[bool]
    period_start: Mapped[datetime | None]
    period_end: Mapped[datetime | None]
    payment_id: Mapped[UUID | None]
    transaction_id: Mapped[int | None] = mapped_column(BigInteger)
    lot_id: Mapped[int | None] = mapped_column(BigInteger)
    recognised: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger)
    tax_refunded: Mapped[int] = mapped_column(BigInteger)
    credited: Mapped[int] = mapped_column(BigInteger)
    earned: Mapped[bool]
    written_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    updated_at: Mapped[datetime]

    @property
    def money(self) -> Money:
        """What is paid."""
        return Money(self.total, self.currency)

    @property
    def net(self) -> Money:
        """What is paid, without tax."""
        return Money(self.total - self.tax, self.currency)


class CardChargeRow(Base):
    """A renewal that is charged to a saved card: one row for each time that it is asked for.

    `open`: its order is not made, or not ended. `dropped`: the invoice was paid otherwise, or is owed no more.
    """

    __tablename__ = "card_charges"
    __table_args__ = (
        Index("uq_card_charges_open", "invoice_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_card_charges_next_look_at", "next_look_at", postgresql_where=text("next_look_at IS NOT NULL")),
        {"schema": _SCHEMA},
    )

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.invoices.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    card_id: Mapped[UUID]
    order_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    begun_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    next_look_at: Mapped[datetime | None]


class TrialRow(Base):
    """An owner had the trial of a family of plans: there is no second one."""

    __tablename__ = "trials"
    __table_args__ = ({"schema": _SCHEMA},)

    owner_kind: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    family: Mapped[str] = mapped_column(Text, primary_key=True)
    begun_at: Mapped[datetime]


class CouponRow(Base):
    """A coupon. `redeemed` counts; a redemption whose invoice was never paid is taken back."""

    __tablename__ = "coupons"
    __table_args__ = ({"schema": _SCHEMA},)

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    basis_points: Mapped[int | None] = mapped_column(Integer)
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(Text)
    offers: Mapped[list[str]] = mapped_column(ARRAY(Text))
    starts_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    most: Mapped[int | None] = mapped_column(Integer)
    redeemed: Mapped[int] = mapped_column(Integer)
    once_per_owner: Mapped[bool]
    periods: Mapped[int | None] = mapped_column(Integer)
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]


class RedemptionRow(Base):
    """Somebody used a coupon."""

    __tablename__ = "redemptions"
    __table_args__ = (Index("ix_redemptions_owner_id_coupon", "owner_id", "coupon"), {"schema": _SCHEMA})

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey(f"{_SCHEMA}.invoices.id"), primary_key=True)
    coupon: Mapped[str] = mapped_column(ForeignKey(f"{_SCHEMA}.coupons.code"))
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    redeemed_at: Mapped[datetime]


class ChargeRow(Base):
    """Work that is paid in points: what was set aside for it, and what it did cost. `action` and `price_version` say
    by which price: of a call to a model, how many points its dollar came to.
    """

    __tablename__ = "charges"
    __table_args__ = (
        UniqueConstraint("key"),
        Index("ix_charges_owner_id_id", "owner_id", "id"),
        Index("ix_charges_open", "expires_at", postgresql_where=text("state = 'open'")),
        Index("ix_charges_unit_reserved_at", "unit", "reserved_at"),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(Text)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID]
    action: Mapped[str] = mapped_column(Text)
    price_version: Mapped[int] = mapped_column(Integer)
    unit: Mapped[str] = mapped_column(Text)
    reserved: Mapped[int] = mapped_column(BigInteger)
    captured: Mapped[int] = mapped_column(BigInteger)
    given_back: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    hold_id: Mapped[int] = mapped_column(BigInteger)
    transaction_id: Mapped[int | None] = mapped_column(BigInteger)
    reserved_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class SpendCapRow(Base):
    """The most that may be spent in a calendar day or month: by one owner, or by all (`house`, no owner)."""

    __tablename__ = "spend_caps"
    __table_args__ = (
        UniqueConstraint("owner_kind", "owner_id", "unit", "window_kind", postgresql_nulls_not_distinct=True),
        {"schema": _SCHEMA},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_kind: Mapped[str] = mapped_column(Text)
    owner_id: Mapped[UUID | None]
    unit: Mapped[str] = mapped_column(Text)
    window: Mapped[str] = mapped_column("window_kind", Text)
    most: Mapped[int] = mapped_column(BigInteger)
    set_at: Mapped[datetime]


class QuotaUseRow(Base):
    """How much of a quota was used in one window."""

    __tablename__ = "quota_uses"
    __table_args__ = ({"schema": _SCHEMA},)

    owner_kind: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)
    metric: Mapped[str] = mapped_column(Text, primary_key=True)
    window_start: Mapped[datetime] = mapped_column(primary_key=True)
    used: Mapped[int] = mapped_column(BigInteger)
