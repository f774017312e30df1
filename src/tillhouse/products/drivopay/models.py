"""Tables of DrivoPay. Amounts are paise; a business date is fixed when the row is written."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base
from tillhouse.kernel.money import Money
from tillhouse.products.drivopay import domain


def _one_of(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class DriverRow(Base):
    """A person who drives: their zone decides on which day their work falls."""

    __tablename__ = "drivers"
    __table_args__ = (
        CheckConstraint(f"vehicle IN ({_one_of(domain.VEHICLES)})", name="vehicle"),
        {"schema": "drivopay"},
    )

    person_id: Mapped[UUID] = mapped_column(primary_key=True)
    zone: Mapped[str] = mapped_column(Text, server_default=domain.ZONE)
    platforms: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    vehicle: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class EarningRow(Base):
    """What one platform paid for a trip or a shift."""

    __tablename__ = "earnings"
    __table_args__ = (
        CheckConstraint(f"platform IN ({_one_of(domain.PLATFORMS)})", name="platform"),
        CheckConstraint(f"paid_in IN ({_one_of(domain.PAID_IN)})", name="paid_in"),
        CheckConstraint(
            "gross >= 0 AND commission >= 0 AND incentive >= 0 AND tip >= 0 AND commission <= gross + incentive + tip",
            name="amounts",
        ),
        CheckConstraint("trips >= 0 AND minutes >= 0 AND metres >= 0", name="work"),
        Index("ix_earnings_driver_id_business_date_id", "driver_id", "business_date", "id"),
        Index(
            "uq_earnings_driver_id_platform_external_ref",
            "driver_id",
            "platform",
            "external_ref",
            unique=True,
            postgresql_where=text("external_ref IS NOT NULL"),
        ),
        {"schema": "drivopay"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(ForeignKey(DriverRow.person_id, ondelete="CASCADE"))
    platform: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    gross: Mapped[int]
    commission: Mapped[int]
    incentive: Mapped[int]
    tip: Mapped[int]
    paid_in: Mapped[str] = mapped_column(Text)
    trips: Mapped[int]
    minutes: Mapped[int]
    metres: Mapped[int]
    started_at: Mapped[datetime | None]
    business_date: Mapped[date]
    external_ref: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def net(self) -> Money:
        """What reached the driver: fares less the platform's commission, plus incentives and tips."""
        return Money(self.gross - self.commission + self.incentive + self.tip, self.unit)


class ExpenseRow(Base):
    """What the road cost."""

    __tablename__ = "expenses"
    __table_args__ = (
        CheckConstraint(f"category IN ({_one_of(domain.CATEGORIES)})", name="category"),
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_expenses_driver_id_business_date_id", "driver_id", "business_date", "id"),
        {"schema": "drivopay"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(ForeignKey(DriverRow.person_id, ondelete="CASCADE"))
    category: Mapped[str] = mapped_column(Text)
    unit: Mapped[str] = mapped_column(Text)
    amount: Mapped[int]
    spent_at: Mapped[datetime | None]
    business_date: Mapped[date]
    note: Mapped[str] = mapped_column(Text, server_default="")
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    @property
    def money(self) -> Money:
        return Money(self.amount, self.unit)
