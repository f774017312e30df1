"""The tables of channels."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from tillhouse.kernel.db import Base, JsonObject


class MessageRow(Base):
    """A message to one address. `attempted_at` is set while a try is under way whose outcome is not recorded yet.

    `fallbacks` are the channels to try where this one fails, `instead_of` the message that failed before. `after_id` is
    a message of the same chat that goes first. `when_unknown` says what a try without an outcome leads to.
    """

    __tablename__ = "messages"
    __table_args__ = (
        CheckConstraint("channel IN ('email', 'sms', 'whatsapp', 'push', 'in_app')", name="channel"),
        CheckConstraint("status IN ('queued', 'unknown', 'sent', 'delivered', 'read', 'failed')", name="status"),
        CheckConstraint("purpose IN ('transactional', 'marketing')", name="purpose"),
        CheckConstraint("when_unknown IN ('leave', 'resend', 'look_up')", name="when_unknown"),
        UniqueConstraint("instead_of"),
        Index("ix_messages_address", "address"),
        Index("ix_messages_created_at", "created_at"),
        Index("ix_messages_person_id", "person_id"),
        Index("ix_messages_contact_id", "contact_id", "id"),
        Index("ix_messages_after_id", "after_id"),
        Index("ix_messages_provider_id", "provider_id"),
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
    person_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None] = mapped_column(ForeignKey("channels.chat_contacts.id", ondelete="CASCADE"))
    purpose: Mapped[str] = mapped_column(Text)
    fallbacks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    when_unknown: Mapped[str] = mapped_column(Text)
    instead_of: Mapped[UUID | None]
    after_id: Mapped[UUID | None]


class ConsentRow(Base):
    """What a person said about one channel and purpose, and where. Rows are only added; the last one holds."""

    __tablename__ = "consents"
    __table_args__ = (
        Index("ix_consents_person_id", "person_id", "channel", "purpose", "id"),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(Text)
    purpose: Mapped[str] = mapped_column(Text)
    allowed: Mapped[bool] = mapped_column(Boolean)
    source: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]


class OptOutRow(Base):
    """An address from which somebody said stop, whoever they are."""

    __tablename__ = "opt_outs"
    __table_args__ = (UniqueConstraint("channel", "address"), {"schema": "channels"})

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


class PushTargetRow(Base):
    """A phone (`fcm`, its token) or a browser (`web`, its endpoint with two keys) of a person."""

    __tablename__ = "push_targets"
    __table_args__ = (
        CheckConstraint("kind IN ('fcm', 'web')", name="kind"),
        UniqueConstraint("kind", "token"),
        Index("ix_push_targets_person_id", "person_id"),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    token: Mapped[str] = mapped_column(Text)
    p256dh: Mapped[str | None] = mapped_column(Text)
    auth: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class NoticeRow(Base):
    """A message inside the house. The id is its message's."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_person_id", "person_id", "id"),
        Index("ix_notices_unread", "person_id", postgresql_where=text("read_at IS NULL")),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    person_id: Mapped[UUID]
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    read_at: Mapped[datetime | None]


class ChatContactRow(Base):
    """Someone who chats with one of our numbers: known by phone, by a user id of the business's scope, or both."""

    __tablename__ = "chat_contacts"
    __table_args__ = (
        CheckConstraint("provider IN ('whatsapp', 'twilio', 'simulator')", name="provider"),
        CheckConstraint("phone IS NOT NULL OR user_id IS NOT NULL", name="reachable"),
        UniqueConstraint("provider", "account", "phone", name="uq_chat_contacts_provider_account_phone"),
        UniqueConstraint("provider", "account", "user_id", name="uq_chat_contacts_provider_account_user_id"),
        Index("ix_chat_contacts_person_id", "person_id"),
        Index("ix_chat_contacts_phone", "phone"),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(Text)
    account: Mapped[str] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[str | None] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    person_id: Mapped[UUID | None]
    locale: Mapped[str] = mapped_column(Text)
    last_inbound_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ReceivedRow(Base):
    """A signed call of a provider as it came. It goes when it has been read; `error` says why it could not be."""

    __tablename__ = "received"
    __table_args__ = {"schema": "channels"}

    id: Mapped[UUID] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]


class InboundRow(Base):
    """A message that somebody wrote to us. `number` is the order in which we heard of it."""

    __tablename__ = "inbound"
    __table_args__ = (
        CheckConstraint("media IN ('waiting', 'stored', 'failed')", name="media"),
        UniqueConstraint("provider", "external_id"),
        Index("ix_inbound_contact_id", "contact_id", "id"),
        Index("ix_inbound_unhandled", "contact_id", "sent_at", "number", postgresql_where=text("handled_at IS NULL")),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Identity(always=True))
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("channels.chat_contacts.id", ondelete="CASCADE"))
    provider: Mapped[str] = mapped_column(Text)
    external_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    content: Mapped[JsonObject]
    media: Mapped[str | None] = mapped_column(Text)
    media_error: Mapped[str | None] = mapped_column(Text)
    file_id: Mapped[UUID | None]
    sent_at: Mapped[datetime]
    created_at: Mapped[datetime]
    handled_at: Mapped[datetime | None]


class ConversationRow(Base):
    """Where somebody is in a flow. `serial` counts what was asked: a button of an earlier question carries its own.

    `mode`: the flow answers, a person of ours does, or it is over. `due_at` is when the present state has waited long.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        CheckConstraint("mode IN ('flow', 'person', 'ended')", name="mode"),
        Index("ix_conversations_contact_id", "contact_id"),
        Index("uq_conversations_open", "contact_id", unique=True, postgresql_where=text("mode <> 'ended'")),
        Index("ix_conversations_due", "due_at", postgresql_where=text("mode = 'flow'")),
        {"schema": "channels"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    contact_id: Mapped[UUID] = mapped_column(ForeignKey("channels.chat_contacts.id", ondelete="CASCADE"))
    flow: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    state: Mapped[str] = mapped_column(Text)
    memory: Mapped[JsonObject]
    mode: Mapped[str] = mapped_column(Text)
    serial: Mapped[int]
    due_at: Mapped[datetime | None]
    handed_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None]
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
