"""The tables of channels."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
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


class WebhookEndpointRow(Base):
    """An address that events are sent to: a machine's own, or the house's (`machine_id` is null).

    `created_by` is the person who is told when it is disabled. `failing_since` is set by the first delivery that is
    given up, and cleared by the next that is taken. `slow` says so of its last try; a new one has yet to show.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("status IN ('enabled', 'paused', 'disabled')", name="status"),
        Index("ix_webhook_endpoints_machine_id", "machine_id"),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    machine_id: Mapped[UUID | None]
    created_by: Mapped[UUID | None]
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    status: Mapped[str] = mapped_column(Text)
    disabled_reason: Mapped[str | None] = mapped_column(Text)
    slow: Mapped[bool] = mapped_column(Boolean)
    failing_since: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class WebhookSecretRow(Base):
    """A secret that signs, sealed. `expires_at` is set when another took its place."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index("ix_webhook_secrets_endpoint_id", "endpoint_id"), {"schema": "channels"})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("channels.webhook_endpoints.id", ondelete="CASCADE"))
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class WebhookMessageRow(Base):
    """An event as the outside reads it, the same for every endpoint and try. The id is the event's."""

    __tablename__ = "webhook_messages"
    __table_args__ = (Index("ix_webhook_messages_created_at", "created_at"), {"schema": "channels"})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class WebhookDeliveryRow(Base):
    """One event for one endpoint. `tries` counts those of the present round, `attempts` all.

    `sending_job` and `sending_until` are set while a job is at it. `waiting`: due, and left for whoever of its endpoint
    finishes next.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="state"),
        UniqueConstraint("message_id", "endpoint_id"),
        Index("ix_webhook_deliveries_endpoint_id_id", "endpoint_id", "id"),
        Index("ix_webhook_deliveries_pending", "endpoint_id", "due_at", postgresql_where=text("state = 'pending'")),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    message_id: Mapped[UUID] = mapped_column(ForeignKey("channels.webhook_messages.id", ondelete="CASCADE"))
    endpoint_id: Mapped[UUID] = mapped_column(ForeignKey("channels.webhook_endpoints.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int]
    tries: Mapped[int]
    due_at: Mapped[datetime]
    waiting: Mapped[bool] = mapped_column(Boolean)
    sending_job: Mapped[UUID | None]
    sending_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class WebhookAttemptRow(Base):
    """One try. Without `finished_at` its end was never recorded: it may have arrived."""

    __tablename__ = "webhook_attempts"
    __table_args__ = (UniqueConstraint("delivery_id", "number"), {"schema": "channels"})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("channels.webhook_deliveries.id", ondelete="CASCADE"))
    number: Mapped[int]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
