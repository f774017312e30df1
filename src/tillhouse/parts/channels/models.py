"""The tables of channels."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject


class MessageRow(Base):
    """A message to one address. `attempted_at` is set while a try is under way whose outcome is not recorded yet."""

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("channel IN ('email', 'sms')", name="channel"),
        CheckConstraint("status IN ('queued', 'unknown', 'sent', 'delivered', 'failed')", name="status"),
        Index("ix_messages_address", "address"),
        Index("ix_messages_created_at", "created_at"),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    locale: Mapped[str] = mapped_column(Text)
    template: Mapped[str] = mapped_column(Text)
    data: Mapped[JsonObject]
    status: Mapped[str] = mapped_column(Text)
    provider: Mapped[str | None] = mapped_column(Text)
    provider_id: Mapped[str | None] = mapped_column(Text)
    error_code: Mapped[str | None] = mapped_column(Text)
    attempted_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
